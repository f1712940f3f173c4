//! Runs the commands of docs/cloud-service.md as they are written.

use std::{path::Path, process::Command};

use anyhow::{Context, ensure};
use countersign_harness::deployment::{Deployment, EC_KEY};
use countersign_protocol::activation::ActivationView;
use serde_json::Value;

fn scripts() -> anyhow::Result<Vec<String>> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/cloud-service.md");
    let text = std::fs::read_to_string(file)?;
    let blocks = text.split("```sh\n").skip(1);
    blocks
        .map(|block| {
            let (script, _) = block.split_once("\n```").context("a script has no end")?;
            Ok(script.to_owned())
        })
        .collect()
}

/// Runs the three scripts: one reads, one requests an activation, one signs.
pub fn run_all(deployment: &Deployment, folder: &Path, token: &str) -> anyhow::Result<()> {
    let scripts = scripts()?;
    let [read, request, sign] = scripts.as_slice() else {
        anyhow::bail!(
            "docs/cloud-service.md has {} scripts instead of 3",
            scripts.len()
        );
    };
    std::fs::write(folder.join("a.bin"), "firmware")?;
    let run = |script: &str| -> anyhow::Result<Value> {
        let script = script
            .replace("https://sign.example.org", &deployment.origin())
            .replace("\"firmware\"", &format!("{EC_KEY:?}"));
        let output = Command::new("sh")
            .args(["-e", "-c", &script])
            .env("TOKEN", token)
            .current_dir(folder)
            .output()?;
        ensure!(output.status.success(), "failed:\n{script}");
        serde_json::from_slice(&output.stdout).with_context(|| script)
    };
    ensure!(
        run(read)? == Value::Array(vec![]),
        "an activation is already open"
    );
    let requested: ActivationView = serde_json::from_value(run(request)?)?;
    deployment.approve(&requested.id(), [deployment.anna(), deployment.ben()])?;
    let signed = run(sign)?;
    ensure!(signed["signature"].is_string(), "{signed}");
    deployment.requester.lock(&requested.id())?;
    Ok(())
}
