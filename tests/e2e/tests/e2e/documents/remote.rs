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
use countersign_protocol::hsm::HsmState;
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
    deployment.wait_for_hsm(|hsm| matches!(hsm.state, HsmState::Absent { .. }))?;

    let mut shell = Shell::new(scratch.path())?;
    shell.replace(SERVER, deployment.origin());
    let options = format!("--simulated-card {} --reader Simulated", card.display());
    shell.helper_with_simulated_cards(&options)?;
    let commands = Page::read("docs/remote.md")?.commands("# Remote HSMs")?;
    let _connector = shell.start(&commands.concat())?;
    deployment.wait_for_hsm(|hsm| !matches!(hsm.state, HsmState::Absent { .. }))?;
    Ok(())
}
