//! The same story over real PC/SC: the signing HSM and Carla's card are in readers of pcscd.

#![allow(clippy::expect_used, reason = "tests")]

use std::{path::PathBuf, process::Command};

use countersign_e2e::crash;
use countersign_harness::{
    cards, checks, files,
    pcsc::Readers,
    server::Attachment,
    stage::{Stage, StageSetup},
};
use countersign_simulator::Profile;

fn say(text: &str) {
    println!("  {text}");
}

fn on_readers(test: impl FnOnce(&mut Stage) -> anyhow::Result<()>) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let hsm = cards::signing_hsm(folder.path(), Profile::VENDOR)?;
    // The name of the reader is known once it exists, and it exists once the cards do.
    let mut setup = StageSetup::with_hsm(folder.path(), Attachment::Reader(String::new()))?;
    let carla = setup
        .helper
        .cards
        .iter()
        .position(|card| card.ends_with("carla.card.json"));
    let carla: PathBuf = setup.helper.cards.remove(carla.expect("Carla has a card"));
    let readers = Readers::start(&folder.path().join("readers"), [&hsm, &carla])?;
    setup.server.hsms[0].attachment = Attachment::Reader(readers.name(0));
    let mut stage = Stage::build(setup, &mut say)?;
    let result = test(&mut stage);
    drop(stage);
    readers.stop()?;
    result
}

#[test]
fn the_story_over_pcsc() -> anyhow::Result<()> {
    on_readers(|stage| {
        let folder = stage.setup.folder.clone();
        let files = files::make(&folder.join("files"), 3)?;
        checks::main_job(stage, &files, &folder.join("signatures"), &mut say)?;
        checks::refusals(stage, &mut say)?;
        // Nobody else gets at the HSM meanwhile.
        let other = Command::new("opensc-tool")
            .args(["--reader", "0", "--name"])
            .output()?;
        anyhow::ensure!(
            !other.status.success(),
            "another program could use the HSM's reader"
        );
        crash::kill_while_signing(stage)
    })
}
