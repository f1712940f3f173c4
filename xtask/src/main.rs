//! `cargo xtask`: the tasks of a developer. They need only cargo to start, and install Debian packages that are missing.

mod bench;
mod book;
mod build;
mod demo;
mod dist;
#[cfg(test)]
mod documents;
mod fuzz;
#[cfg(unix)]
mod group;
mod layers;
mod lint;
mod msrv;
mod mutants;
mod portal;
mod run;
mod setup;
mod test;
mod uboot;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(
    bin_name = "cargo xtask",
    about = "Build, test and demonstrate Countersign",
    disable_help_subcommand = true
)]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Try Countersign on simulated cards; no hardware needed
    Demo(demo::Demo),
    /// Run all tests and checks
    Test(test::Test),
    /// Check format, lints, API documentation, dependencies and licences
    Lint,
    /// Build the portal and the programs
    Build(build::Build),
    /// Build only the portal, into `frontend/dist`
    Portal,
    /// Write manual pages, shell completions, service files and the book to target/dist
    Dist,
    /// Build the book from docs/ into target/book
    Book,
    /// Measure the speed of optimised programs
    Bench(bench::Bench),
    /// Search for inputs that break a part of the programs, with libFuzzer
    Fuzz(fuzz::Fuzz),
    /// Change the code that decides what is allowed, and see whether its tests notice
    Mutants(mutants::Mutants),
    /// Build `fit_check_sign`, U-Boot's verifier of FIT images, and print its path
    FitCheckSign,
}

fn main() -> ExitCode {
    match fuzz::compile() {
        Some(Ok(true)) => return ExitCode::SUCCESS,
        Some(Ok(false)) => return ExitCode::FAILURE,
        Some(Err(error)) => {
            eprintln!("Error: {error:#}");
            return ExitCode::FAILURE;
        }
        None => {}
    }
    // The error is printed without a backtrace, so that it is the last thing on the screen.
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("Error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> anyhow::Result<()> {
    // The tasks use paths relative to the workspace.
    std::env::set_current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))?;
    match Cli::parse().task {
        Task::Demo(demo) => demo.run(),
        Task::Test(test) => test.run(),
        Task::Lint => lint::check_all(),
        Task::Build(build) => build.run(),
        Task::Dist => dist::run_task(),
        Task::Book => book::build(),
        Task::Portal => portal::build(),
        Task::Bench(bench) => bench.run(),
        Task::Fuzz(fuzz) => fuzz.run(),
        Task::Mutants(mutants) => mutants.run(),
        Task::FitCheckSign => uboot::print(),
    }
}
