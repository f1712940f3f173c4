//! `cargo xtask build`: first the portal, which the server embeds, then the programs.

use std::{path::PathBuf, process::Command};

use clap::Args;

use crate::{
    portal,
    run::{cargo, run},
    setup,
};

/// Features that compile simulated cards into server and helper, for demo and tests.
pub const SIMULATOR: &str = "countersign-server/simulator,countersign-helper/simulator";

const PROGRAMS: [&str; 4] = [
    "countersign-server",
    "countersign-helper",
    "countersign-cli",
    "countersign-pkcs11",
];

#[derive(Args)]
pub struct Build {
    /// Optimise the programs
    #[arg(long)]
    release: bool,
}

impl Build {
    pub fn run(self) -> anyhow::Result<()> {
        setup::for_programs()?;
        portal::build()?;
        let mut command = build(&PROGRAMS);
        if self.release {
            command.arg("--release");
        }
        run(&mut command)
    }
}

/// Builds the portal and the programs of the demo, and returns the folder with the programs.
pub fn demo() -> anyhow::Result<PathBuf> {
    portal::build()?;
    let mut command = build(&PROGRAMS);
    command
        .args(["--package", "countersign-harness"])
        .args(["--features", SIMULATOR]);
    run(&mut command)?;
    Ok(target()?.join("debug"))
}

/// Builds every program and every test with the simulator.
pub fn everything() -> anyhow::Result<()> {
    let features = format!("{SIMULATOR},countersign-e2e/run");
    run(workspace("build").args(["--all-targets", "--features", &features]))
}

/// A cargo command for the whole workspace. Cargo chooses the features of the dependencies by the packages that are selected,
/// so lints, builds and tests select the same ones: otherwise many dependencies would be compiled again.
pub fn workspace(subcommand: &str) -> Command {
    cargo([subcommand, "--workspace"])
}

fn build(packages: &[&str]) -> Command {
    let mut command = cargo(["build"]);
    for package in packages {
        command.args(["--package", package]);
    }
    command
}

/// Cargo's target directory.
pub fn target() -> anyhow::Result<PathBuf> {
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| "target".into(), PathBuf::from);
    Ok(std::path::absolute(target)?)
}
