//! docs/operations.md: backups from which the server continues, and the checks of a monitoring system.

use std::{fs, path::PathBuf};

use anyhow::{Context, ensure};
use countersign_client::Client;
use countersign_harness::{deployment::Deployment, page::Page, wait::wait_for};
use countersign_protocol::purpose::NewKeyType;

use super::newcomer::{KEY, Newcomer};

const DATA: &str = "/var/lib/countersign";

/// A newcomer whose server has the documented data directory, below another root.
fn operator() -> anyhow::Result<(Newcomer, PathBuf)> {
    let mut data = PathBuf::new();
    let mut newcomer = Newcomer::prepared(NewKeyType::EcSecp256r1, |setup| {
        data = setup.folder.join(DATA.trim_start_matches('/'));
        fs::create_dir_all(&data)?;
        setup.server.data.clone_from(&data);
        Ok(())
    })?;
    let var_lib = data.parent().unwrap_or(&data).display().to_string();
    let root = newcomer.shell.home("").display().to_string();
    newcomer.shell.replace("/root/", root);
    newcomer.shell.replace("/var/lib", var_lib);
    Ok((newcomer, data))
}

/// The server continues with what is in its data directory, and serves this client.
fn must_continue(
    newcomer: &mut Newcomer,
    client: impl Fn(&Deployment) -> anyhow::Result<&Client>,
) -> anyhow::Result<()> {
    newcomer.deployment.restart_server()?;
    wait_for(|| {
        let keys = client(&newcomer.deployment)?.keys()?;
        Ok(keys.iter().any(|key| key.label == KEY).then_some(()))
    })
    .context("the server offers no key")
}

#[test]
fn the_server_continues_from_a_copy_of_the_directory() -> anyhow::Result<()> {
    let (mut newcomer, data) = operator()?;
    let scripts = Page::read("docs/operations.md")?.scripts("## Backups")?;
    let stopped = &scripts[0];
    let mut copied = false;
    for command in stopped.lines() {
        match command {
            "systemctl stop countersign-server" => {
                newcomer.deployment.take_server()?.program.terminate()?;
            }
            "systemctl start countersign-server" => newcomer.deployment.restart_server()?,
            command => {
                ensure!(
                    newcomer.deployment.server.is_none(),
                    "`{command}` runs while the server runs"
                );
                newcomer.shell.run(command)?;
                copied = true;
            }
        }
    }
    ensure!(copied && newcomer.deployment.server.is_some());
    newcomer.deployment.kill_server()?;
    fs::remove_dir_all(&data)?;
    newcomer
        .shell
        .run("tar -C /var/lib -xzf /root/countersign-backup.tar.gz")?;
    must_continue(&mut newcomer, |deployment| Ok(&deployment.requester))
}

#[test]
fn the_server_continues_from_a_copy_that_sqlite_made() -> anyhow::Result<()> {
    let (mut newcomer, data) = operator()?;
    let scripts = Page::read("docs/operations.md")?.scripts("## Backups")?;
    newcomer.shell.run(&scripts[1])?;
    newcomer.deployment.kill_server()?;
    fs::remove_dir_all(&data)?;
    fs::create_dir(&data)?;
    for name in ["countersign.db", "identity.key"] {
        fs::copy(newcomer.shell.home(name), data.join(name))?;
    }
    // Nothing but the database's own copy shows that it is the newest, so tokens are revoked and people log in again.
    must_continue(&mut newcomer, |deployment| {
        let anna = &deployment.people.anna;
        anna.log_in(&deployment.helper)?;
        Ok(&anna.browser)
    })?;
    ensure!(newcomer.deployment.requester.keys().is_err());
    Ok(())
}

#[test]
fn a_monitoring_system_sees_server_and_hsm() -> anyhow::Result<()> {
    let newcomer = Newcomer::with_key(NewKeyType::EcSecp256r1)?;
    newcomer.write_authorization()?;
    let printed = newcomer
        .shell
        .run_section(&Page::read("docs/operations.md")?, "## Monitoring")?;
    printed.must_have("\"needsBootstrap\":false")?;
    printed.must_have("\"type\":\"locked\"")
}
