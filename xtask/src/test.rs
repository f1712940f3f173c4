//! `cargo xtask test`: format, lints, licences, and every layer of tests.

use std::{process::Command, time::Instant};

use clap::Args;

use crate::{
    book, build,
    run::{cargo, run, succeeds},
    setup, uboot,
};

/// Simulated cards are compiled into server and helper for the tests.
const FEATURES: &str =
    "countersign-server/simulator,countersign-helper/simulator,countersign-card/pcsc";

/// Arguments of `cargo xtask test`.
#[derive(Args)]
pub struct Test {
    /// Only the fast layers: no browser, no PC/SC, no programs started.
    #[arg(long)]
    quick: bool,
}

impl Test {
    /// Runs the tests; stops at the first layer that fails.
    ///
    /// # Errors
    /// What failed.
    pub fn run(self) -> anyhow::Result<()> {
        setup::for_tests()?;
        uboot::fit_check_sign()?;
        let start = Instant::now();
        let layer = |name: &str| eprintln!("\n== {name} ({} s)", start.elapsed().as_secs());

        layer("format");
        run(&mut cargo(["fmt", "--all", "--check"]))?;

        layer("programs");
        build::with_simulator()?;

        layer("lints");
        run(&mut cargo([
            "clippy",
            "--features",
            FEATURES,
            "--all-targets",
            "--",
            "-D",
            "warnings",
        ]))?;
        run(&mut cargo([
            "clippy",
            "--package",
            "countersign-bench",
            "--all-targets",
            "--",
            "-D",
            "warnings",
        ]))?;
        // What is shipped has no simulator in it.
        run(&mut cargo([
            "clippy",
            "--package",
            "countersign-server",
            "--package",
            "countersign-helper",
            "--",
            "-D",
            "warnings",
        ]))?;
        run(crate::portal::cargo_wasm("clippy").args(["--", "-D", "warnings"]))?;

        layer("licences and dependencies");
        if succeeds("cargo", &["deny", "--version"]) {
            run(&mut cargo([
                "deny",
                "--all-features",
                "check",
                "bans",
                "licenses",
                "sources",
            ]))?;
        } else {
            eprintln!(
                "cargo-deny is not installed: `cargo install --locked cargo-deny` adds this check"
            );
        }

        layer("book");
        book::build()?;

        layer("units, protocol vectors, simulator, services");
        run(&mut tests([
            "--features",
            FEATURES,
            "--workspace",
            "--exclude",
            "countersign-e2e",
            "--exclude",
            "countersign-bench",
        ]))?;

        if !self.quick {
            layer("several programs together: server, helper, command line, Chromium, PC/SC");
            // One at a time: each starts programs of its own, and virtual readers exist once per machine.
            run(&mut tests([
                "--package",
                "countersign-e2e",
                "--",
                "--test-threads=1",
                "--nocapture",
            ]))?;
            run(&mut tests(["--package", "countersign-bench"]))?;
        }
        layer("done");
        Ok(())
    }
}

/// `cargo test`. Errors are told by their context: backtraces through async code would only push it off the screen.
fn tests<const N: usize>(arguments: [&str; N]) -> Command {
    let mut command = cargo(["test"]);
    command.args(arguments).env("RUST_LIB_BACKTRACE", "0");
    command
}
