//! `cargo xtask lint`: everything that can be checked without running the programs.

use std::process::Command;

use crate::{
    build::{SIMULATOR, workspace},
    msrv,
    run::{cargo, run, succeeds},
};

/// Runs every check and stops at the first failure.
pub fn check_all() -> anyhow::Result<()> {
    run(&mut cargo(["fmt", "--all", "--check"]))?;
    msrv::check()?;
    check_dependencies()?;
    check_code()?;
    check_documentation()
}

/// Licences and sources of the dependencies.
fn check_dependencies() -> anyhow::Result<()> {
    if !succeeds("cargo", &["deny", "--version"]) {
        eprintln!(
            "Skipping the check of licences and sources: `cargo install --locked cargo-deny` enables it"
        );
        return Ok(());
    }
    run(&mut cargo([
        "deny",
        "--all-features",
        "check",
        "bans",
        "licenses",
        "sources",
    ]))
}

fn check_code() -> anyhow::Result<()> {
    let features = format!("{SIMULATOR},countersign-e2e/run");
    run(&mut clippy(&["--all-targets", "--features", &features]))?;
    // The programs as they are shipped, without the simulator. There are no examples, but `--examples` makes cargo choose the same
    // features of the dependencies as above, so that cargo only checks the crates that differ.
    run(&mut clippy(&["--lib", "--bins", "--examples"]))
}

fn clippy(arguments: &[&str]) -> Command {
    let mut command = workspace("clippy");
    command.args(arguments).args(["--", "-D", "warnings"]);
    command
}

fn check_documentation() -> anyhow::Result<()> {
    let mut command = workspace("doc");
    command
        .args(["--no-deps", "--lib", "--bin", "countersign"])
        .args(["--examples", "--features", SIMULATOR])
        .env("RUSTDOCFLAGS", "-D warnings");
    run(&mut command)
}
