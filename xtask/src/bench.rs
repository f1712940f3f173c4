//! `cargo xtask bench`: measures optimised programs.

use std::process::Command;

use clap::{Args, Subcommand};

use crate::{
    build::{SIMULATOR, target, workspace},
    portal,
    run::run,
    setup,
};

#[derive(Args)]
pub struct Bench {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Compare the PKCS#11 module, through server and PC/SC, with OpenSC's module on the same kind of simulated card
    Pkcs11 {
        /// Options of the benchmark; `-- --help` lists them
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        options: Vec<String>,
    },
    /// Compare commands to a card over RAMOverHTTP with commands to the same card over PC/SC
    Remote {
        /// Options of the benchmark; `-- --help` lists them
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        options: Vec<String>,
    },
}

impl Bench {
    pub fn run(self) -> anyhow::Result<()> {
        setup::for_tests()?;
        portal::build()?;
        run(workspace("build").args([
            "--release",
            "--exclude",
            "countersign-portal",
            "--exclude",
            "countersign-e2e",
            "--features",
            SIMULATOR,
        ]))?;
        let (program, options) = match self.what {
            What::Pkcs11 { options } => ("countersign-pkcs11-bench", options),
            What::Remote { options } => ("countersign-remote-bench", options),
        };
        let program = target()?.join("release").join(program);
        let mut command = Command::new(program);
        command.args(options);
        #[cfg(unix)]
        return crate::group::run(&mut command);
        #[cfg(not(unix))]
        run(&mut command)
    }
}
