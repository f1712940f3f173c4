//! The main job with a remote HSM.

use countersign_harness::{
    deployment::{Deployment, DeploymentSetup},
    files, main_job,
};
use countersign_simulator::Profile;

use crate::{crash, say};

#[test]
fn the_main_job_works_with_a_remote_hsm() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let setup = DeploymentSetup::remote(folder.path(), Profile::VENDOR)?;
    let mut deployment = Deployment::build(setup, &mut say)?;
    let files = files::make(&folder.path().join("files"), 3)?;
    let signatures = folder.path().join("signatures");
    main_job::run(&deployment, &files, &signatures, &mut say)?;
    main_job::refusals(&deployment, &mut say)?;
    crash::kill_while_signing(&mut deployment)
}
