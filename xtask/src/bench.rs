//! `cargo xtask bench`: measures, with optimised programs.

use std::process::Command;

use clap::{Args, Subcommand};

use crate::{
    build::target,
    portal,
    run::{cargo, run},
    setup,
};

/// Arguments of `cargo xtask bench`.
#[derive(Args)]
pub struct Bench {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// The PKCS#11 module, server, PC/SC and a simulated card, against OpenSC's module on the same kind of card.
    Pkcs11 {
        /// Options of the benchmark; `-- --help` lists them.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        options: Vec<String>,
    },
    /// Commands to a card that is attached over RAMOverHTTP, against the same card over PC/SC.
    Remote {
        /// Options of the benchmark; `-- --help` lists them.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        options: Vec<String>,
    },
}

impl Bench {
    /// Builds and measures.
    ///
    /// # Errors
    /// The build's, or something does not work.
    pub fn run(self) -> anyhow::Result<()> {
        setup::for_tests()?;
        portal::build()?;
        run(&mut cargo([
            "build",
            "--release",
            "--workspace",
            "--exclude",
            "countersign-portal",
            "--exclude",
            "countersign-e2e",
            "--features",
            "countersign-server/simulator,countersign-helper/simulator",
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
