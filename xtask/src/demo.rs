//! `cargo xtask demo`: builds the programs and starts `countersign-demo`.

use std::process::Command;

use clap::Args;

use crate::{build, run::run, setup};

#[derive(Args)]
#[command(disable_help_flag = true)]
pub struct Demo {
    /// Options of the demo; `cargo xtask demo --help` lists them
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    options: Vec<String>,
}

impl Demo {
    pub fn run(self) -> anyhow::Result<()> {
        setup::for_programs()?;
        let programs = build::demo()?;
        run(Command::new(programs.join("countersign-demo")).args(self.options))
    }
}
