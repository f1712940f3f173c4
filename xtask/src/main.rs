//! `cargo xtask`: everything that a developer runs. Needs nothing but cargo to start; installs what is missing.

mod bench;
mod build;
mod demo;
#[cfg(unix)]
mod group;
mod portal;
mod run;
mod setup;
mod test;
mod uboot;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(
    about = "Developer tasks of Countersign",
    disable_help_subcommand = true
)]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Build everything and run the main job on simulated cards.
    Demo(demo::Demo),
    /// Install what the tests need, then run them all.
    Test(test::Test),
    /// Build the portal and all programs.
    Build(build::Build),
    /// Measure.
    Bench(bench::Bench),
    /// Build U-Boot's verifier of FIT images, if it is not there, and print its path.
    FitCheckSign,
}

fn main() -> ExitCode {
    // Without a backtrace: what matters stays the last line.
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("Error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> anyhow::Result<()> {
    // Every path in the tasks is relative to the workspace.
    std::env::set_current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))?;
    match Cli::parse().task {
        Task::Demo(demo) => demo.run(),
        Task::Test(test) => test.run(),
        Task::Build(build) => build.run(),
        Task::Bench(bench) => bench.run(),
        Task::FitCheckSign => uboot::print(),
    }
}
