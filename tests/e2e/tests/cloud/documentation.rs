//! The commands of docs/cloud-service.md, as they are written.

use std::{path::Path, process::Command};

use anyhow::{Context, ensure};
use countersign_harness::stage::{EC_KEY, Stage};
use countersign_protocol::activation::ActivationView;
use serde_json::Value;

fn scripts() -> anyhow::Result<Vec<String>> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/cloud-service.md");
    let text = std::fs::read_to_string(file)?;
    let blocks = text.split("```sh\n").skip(1);
    blocks
        .map(|block| {
            let (script, _) = block.split_once("\n```").context("no end")?;
            Ok(script.to_owned())
        })
        .collect()
}

/// Reads, asks, waits for the custodians, signs.
pub fn all(stage: &Stage, folder: &Path, token: &str) -> anyhow::Result<()> {
    let scripts = scripts()?;
    let [read, ask, sign] = scripts.as_slice() else {
        anyhow::bail!("{} scripts instead of 3", scripts.len());
    };
    std::fs::write(folder.join("a.bin"), "firmware")?;
    let run = |script: &str| -> anyhow::Result<Value> {
        let script = script
            .replace("https://sign.example.org", &stage.origin())
            .replace("\"firmware\"", &format!("{EC_KEY:?}"));
        let output = Command::new("sh")
            .args(["-e", "-c", &script])
            .env("TOKEN", token)
            .current_dir(folder)
            .output()?;
        ensure!(output.status.success(), "{script}");
        serde_json::from_slice(&output.stdout).with_context(|| script)
    };
    ensure!(run(read)? == Value::Array(vec![]), "something is open");
    let asked: ActivationView = serde_json::from_value(run(ask)?)?;
    stage.authenticate(&[0, 1], &asked.terms.id)?;
    let signed = run(sign)?;
    ensure!(signed["signature"].is_string(), "{signed}");
    stage.requester.lock(&asked.terms.id)?;
    Ok(())
}
