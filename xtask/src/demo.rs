//! `cargo xtask demo`: builds, then hands over to the program that plays the demo.

use std::process::Command;

use clap::Args;

use crate::{build, run::run, setup};

/// Arguments of `cargo xtask demo`; passed on to `countersign-demo`.
#[derive(Args)]
#[command(disable_help_flag = true)]
pub struct Demo {
    /// Options of the demo; `--help` among them lists the others.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    options: Vec<String>,
}

impl Demo {
    /// Builds and runs the demo.
    ///
    /// # Errors
    /// The build's, or the demo did not end well.
    pub fn run(self) -> anyhow::Result<()> {
        setup::for_programs()?;
        let programs = build::with_simulator()?;
        run(Command::new(programs.join("countersign-demo")).args(self.options))
    }
}
