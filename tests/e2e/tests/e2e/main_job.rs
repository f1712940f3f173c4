//! The main job through the real programs, for cards whose challenges have different lives.

use countersign_harness::{
    deployment::{Deployment, DeploymentSetup},
    files, main_job,
};
use countersign_simulator::Profile;

use crate::{crash, say};

fn set_up(folder: &tempfile::TempDir, profile: Profile) -> anyhow::Result<Deployment> {
    let setup = DeploymentSetup::simulated(folder.path(), profile)?;
    Deployment::build(setup, &mut say)
}

fn sign_and_refuse(profile: Profile) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let deployment = set_up(&folder, profile)?;
    let files = files::make(&folder.path().join("files"), 3)?;
    let signatures = folder.path().join("signatures");
    main_job::run(&deployment, &files, &signatures, &mut say)?;
    main_job::refusals(&deployment, &mut say)
}

#[test]
fn the_main_job_works_when_a_challenge_serves_one_custodian() -> anyhow::Result<()> {
    sign_and_refuse(Profile::VENDOR)
}

#[test]
fn the_main_job_works_when_a_challenge_serves_all_custodians() -> anyhow::Result<()> {
    sign_and_refuse(Profile::VENDOR_KEPT)
}

#[test]
fn the_main_job_works_when_a_new_challenge_resets_all_approvals() -> anyhow::Result<()> {
    sign_and_refuse(Profile::PICO)
}

#[test]
fn a_killed_server_loses_no_acknowledged_signature() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    crash::kill_while_signing(&mut set_up(&folder, Profile::VENDOR)?)
}

#[test]
fn a_server_that_is_stopped_locks_the_hsm_first() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    crash::stop_while_open(&mut set_up(&folder, Profile::VENDOR)?)
}
