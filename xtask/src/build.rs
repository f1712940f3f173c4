//! `cargo xtask build`: portal first, since the server embeds it, then the programs.

use std::path::PathBuf;

use clap::Args;

use crate::{
    portal,
    run::{cargo, run},
    setup,
};

/// Arguments of `cargo xtask build`.
#[derive(Args)]
pub struct Build {
    /// Optimised programs, without the card simulator.
    #[arg(long)]
    release: bool,
}

impl Build {
    /// Builds.
    ///
    /// # Errors
    /// The first step that fails.
    pub fn run(self) -> anyhow::Result<()> {
        setup::for_programs()?;
        portal::build()?;
        let mut command = cargo(["build"]);
        for package in [
            "countersign-server",
            "countersign-helper",
            "countersign-cli",
            "countersign-pkcs11",
        ] {
            command.args(["--package", package]);
        }
        if self.release {
            command.arg("--release");
        }
        run(&mut command)
    }
}

/// Builds every program with the simulator, for demo and tests; returns their folder.
///
/// # Errors
/// The build's.
pub fn with_simulator() -> anyhow::Result<PathBuf> {
    portal::build()?;
    run(&mut cargo([
        "build",
        "--features",
        "countersign-server/simulator,countersign-helper/simulator",
    ]))?;
    Ok(target()?.join("debug"))
}

/// Where cargo builds.
///
/// # Errors
/// The operating system's.
pub fn target() -> anyhow::Result<PathBuf> {
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| "target".into(), PathBuf::from);
    Ok(std::path::absolute(target)?)
}
