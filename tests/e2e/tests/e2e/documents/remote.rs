//! docs/remote.md: a machine attaches its HSM.

use anyhow::Context;
use countersign_harness::{
    cards,
    connector::Connector,
    deployment::{Deployment, DeploymentSetup},
    page::Page,
    server::Attachment,
    shell::Shell,
};
use countersign_protocol::hsm::{HsmState, HsmView};
use countersign_simulator::Profile;

use super::newcomer::SERVER;

#[test]
fn the_command_attaches_an_hsm() -> anyhow::Result<()> {
    let scratch = tempfile::tempdir()?;
    let card = cards::signing_hsm(scratch.path(), Profile::VENDOR)?;
    let attachment = Attachment::Remote(Connector::new(&card));
    let setup = DeploymentSetup::with_hsm(&scratch.path().join("deployment"), attachment)?;
    let mut deployment = Deployment::with_people(setup, &mut |_| ())?;
    deployment.wait_for_hsm(|hsm| hsm.device.is_some())?;
    let connector = deployment.connector.take().context("a remote HSM")?;
    connector.terminate()?;
    deployment.wait_for_hsm(is_absent)?;

    let mut shell = Shell::new(scratch.path())?;
    shell.replace(SERVER, deployment.origin());
    shell.replace("/usr/bin/", "");
    shell.replace("Nitrokey Nitrokey HSM", "Simulated");
    let options = format!("--simulated-card {}", card.display());
    shell.helper_with_simulated_cards(&options)?;
    let page = Page::read("docs/remote.md")?;
    let command = page.commands("# Remote HSMs")?.concat();
    for command in [command, started_by_the_unit(&page)?] {
        let connector = shell.start(&command)?;
        deployment.wait_for_hsm(|hsm| !is_absent(hsm))?;
        connector.terminate()?;
        deployment.wait_for_hsm(is_absent)?;
    }
    Ok(())
}

fn is_absent(hsm: &HsmView) -> bool {
    matches!(hsm.state, HsmState::Absent { .. })
}

fn started_by_the_unit(page: &Page) -> anyhow::Result<String> {
    let unit = page.file("## The client", "ini")?;
    let command = unit
        .lines()
        .find_map(|line| line.strip_prefix("ExecStart="));
    Ok(command.context("the unit starts a program")?.to_owned())
}
