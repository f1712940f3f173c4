//! The main job through the real programs, for cards whose challenges live differently.

#![allow(clippy::expect_used, reason = "tests")]

use countersign_e2e::crash;
use countersign_harness::{
    checks, files,
    stage::{Stage, StageSetup},
};
use countersign_simulator::Profile;

fn say(text: &str) {
    println!("  {text}");
}

fn story(profile: Profile) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let stage = Stage::build(StageSetup::simulated(folder.path(), profile)?, &mut say)?;
    let files = files::make(&folder.path().join("files"), 3)?;
    checks::main_job(&stage, &files, &folder.path().join("signatures"), &mut say)?;
    checks::refusals(&stage, &mut say)
}

#[test]
fn a_challenge_that_serves_once() -> anyhow::Result<()> {
    story(Profile::VENDOR)
}

#[test]
fn a_challenge_that_serves_everybody() -> anyhow::Result<()> {
    story(Profile::VENDOR_KEPT)
}

#[test]
fn a_challenge_whose_successor_forgets_everybody() -> anyhow::Result<()> {
    story(Profile::PICO)
}

#[test]
fn nothing_acknowledged_is_lost_by_kill_9() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let mut stage = Stage::build(
        StageSetup::simulated(folder.path(), Profile::VENDOR)?,
        &mut say,
    )?;
    crash::kill_while_signing(&mut stage)
}

#[test]
fn a_server_that_is_stopped_locks_first() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let mut stage = Stage::build(
        StageSetup::simulated(folder.path(), Profile::VENDOR)?,
        &mut say,
    )?;
    crash::stop_while_open(&mut stage)
}
