//! `cargo xtask fuzz`: searches for findings with libFuzzer, for as long as wanted.

use std::process::Command;

use anyhow::{Context, ensure};
use clap::Args;

use crate::{
    build::target,
    run::{cargo, run, succeeds},
};

/// Longest input in bytes.
const LONGEST: u32 = 65_536;

#[derive(Args)]
pub struct Fuzz {
    /// Name of the target; without it, the targets are listed
    target: Option<String>,
    /// Time after which the search ends
    #[arg(long, value_name = "SECONDS", default_value_t = 600)]
    seconds: u64,
}

impl Fuzz {
    pub fn run(self) -> anyhow::Result<()> {
        let Some(name) = self.target else {
            return run(stable().arg("list"));
        };
        let folder = target()?.join("fuzz");
        let corpus = folder.join("corpus").join(&name);
        // Also finds a wrong name, before anything is installed or built.
        run(stable().args(["seeds", &name]).arg(&corpus))?;
        install()?;
        let mut search = cargo(["fuzz", "run", "--fuzz-dir", "tests/fuzz"]);
        search
            // Sanitizers need a nightly compiler. Rust's own checks stay on.
            .args(["--sanitizer", "none", "--features", "libfuzzer"])
            .arg("--target-dir")
            .arg(folder.join("build"))
            .arg(&name)
            .arg(&corpus)
            .arg("--")
            .arg(format!("-max_total_time={}", self.seconds))
            .arg(format!("-max_len={LONGEST}"))
            .args(["-rss_limit_mb=4096", "-timeout=60", "-print_final_stats=1"]);
        run(&mut search).context(
            "the search ended with a finding: `cargo run -p countersign-fuzz -- replay TARGET FILE` repeats it",
        )
    }
}

/// The runner for stable Rust, which knows the targets and their seeds.
fn stable() -> Command {
    cargo(["run", "--quiet", "--package", "countersign-fuzz", "--"])
}

fn install() -> anyhow::Result<()> {
    if !succeeds("cargo", &["fuzz", "--version"]) {
        run(&mut cargo(["install", "--locked", "cargo-fuzz"]))?;
    }
    ensure!(
        succeeds("c++", &["--version"]),
        "libFuzzer is built with a C++ compiler, and there is none: install Debian's package g++"
    );
    Ok(())
}
