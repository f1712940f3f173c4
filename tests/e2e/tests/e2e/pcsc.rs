//! The main job over real PC/SC: the signing HSM and Carla's card are in readers of the machine's pcscd.

use std::{path::PathBuf, process::Command};

use anyhow::{Context, ensure};
use countersign_harness::{
    cards,
    deployment::{Deployment, DeploymentSetup},
    files, main_job,
    pcsc::Readers,
    server::Attachment,
};
use countersign_simulator::Profile;

use crate::{crash, say};

#[test]
fn the_main_job_works_over_pcsc() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let hsm = cards::signing_hsm(folder.path(), Profile::VENDOR)?;
    // The readers get their names when they start, and they start with the cards.
    let mut setup = DeploymentSetup::with_hsm(folder.path(), Attachment::Reader(String::new()))?;
    let cards = &mut setup.helper.cards;
    let carla = cards
        .iter()
        .position(|card| card.ends_with("carla.card.json"))
        .context("Carla has a card")?;
    let carla: PathBuf = cards.remove(carla);
    let readers = Readers::start(&folder.path().join("readers"), [&hsm, &carla])?;
    setup.server.hsms[0].attachment = Attachment::Reader(readers.name(0));
    // Declared after the readers, so that the programs end before pcscd does.
    let mut deployment = Deployment::build(setup, &mut say)?;

    let files = files::make(&folder.path().join("files"), 3)?;
    let signatures = folder.path().join("signatures");
    main_job::run(&deployment, &files, &signatures, &mut say)?;
    main_job::refusals(&deployment, &mut say)?;
    let other = Command::new("opensc-tool")
        .args(["--reader", "0", "--name"])
        .output()?;
    ensure!(
        !other.status.success(),
        "another program could use the HSM's reader while the server held it"
    );
    crash::kill_while_signing(&mut deployment)?;
    drop(deployment);
    readers.stop()
}
