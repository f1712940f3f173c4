//! The main job with an HSM at another place.

use countersign_e2e::crash;
use countersign_harness::{
    checks, files,
    stage::{Stage, StageSetup},
};
use countersign_simulator::Profile;

use crate::say;

#[test]
fn the_main_job_and_every_refusal() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let mut stage = Stage::build(
        StageSetup::remote(folder.path(), Profile::VENDOR)?,
        &mut say,
    )?;
    let files = files::make(&folder.path().join("files"), 3)?;
    checks::main_job(&stage, &files, &folder.path().join("signatures"), &mut say)?;
    checks::refusals(&stage, &mut say)?;
    crash::kill_while_signing(&mut stage)
}
