//! What must never be written down: no log and no database holds a PIN, a token or a one-time code.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, ensure};
use countersign_harness::{
    cards::SO_PIN,
    deployment::{Deployment, DeploymentSetup},
    files,
    helper::PIN,
    main_job,
};
use countersign_protocol::operator::{NewInvitation, Role};
use countersign_simulator::Profile;

use crate::say;

#[test]
fn no_log_and_no_database_holds_a_pin_a_token_or_a_code() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let setup = DeploymentSetup::simulated(folder.path(), Profile::VENDOR)?;
    let deployment = Deployment::build(setup, &mut say)?;
    let files = files::make(&folder.path().join("files"), 2)?;
    main_job::run(
        &deployment,
        &files,
        &folder.path().join("signatures"),
        &mut say,
    )?;
    let new = NewInvitation {
        name: "Erin".into(),
        mail: None,
        roles: vec![Role::Auditor],
    };
    let invited = deployment.anna().invite(&deployment.helper, new)?;
    let (_, code) = invited
        .link
        .split_once('#')
        .context("no code in the link")?;
    let token = fs::read_to_string(folder.path().join("token"))?;

    let written = written(folder.path())?;
    let log = written
        .iter()
        .find(|(path, _)| path.ends_with("server.log"))
        .context("no log of the server")?;
    ensure!(
        String::from_utf8_lossy(&log.1).contains("signed"),
        "the server's log does not report the signatures"
    );
    let server = deployment.server.as_ref().context("no server")?;
    let bootstrap = server.bootstrap_code.as_deref();
    let bootstrap = bootstrap.context("the server made no one-time code")?;
    let so_pin = String::from_utf8(hex::decode(SO_PIN)?)?;
    for (what, secret) in [
        ("PIN", PIN),
        ("SO-PIN", SO_PIN),
        ("SO-PIN", &so_pin),
        ("token", token.trim()),
        ("code of an invitation", code),
        ("one-time code", bootstrap),
    ] {
        for (path, content) in &written {
            ensure!(!holds(content, secret), "{} holds a {what}", path.display());
        }
    }
    Ok(())
}

/// Logs and databases below a folder, with their write-ahead logs.
fn written(folder: &Path) -> anyhow::Result<Vec<(PathBuf, Vec<u8>)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(written(&path)?);
            continue;
        }
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.ends_with(".log") || name.contains(".db") {
            let content = fs::read(&path)?;
            found.push((path, content));
        }
    }
    Ok(found)
}

/// Whether a secret stands there, and not as a part of a longer number or digest.
fn holds(content: &[u8], secret: &str) -> bool {
    count(content, secret) > 0
}

fn count(content: &[u8], secret: &str) -> usize {
    let is_part = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    content
        .windows(secret.len())
        .enumerate()
        .filter(|(at, window)| {
            *window == secret.as_bytes()
                && !is_part(at.checked_sub(1).and_then(|before| content.get(before)))
                && !is_part(content.get(at + secret.len()))
        })
        .count()
}
