//! `cargo xtask`: the tasks of a developer. They need only cargo to start, and install Debian packages that are missing.

mod bench;
mod book;
mod build;
mod demo;
mod dist;
#[cfg(unix)]
mod group;
mod layers;
mod lint;
mod msrv;
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
    /// Build `fit_check_sign`, U-Boot's verifier of FIT images, and print its path
    FitCheckSign,
}

fn main() -> ExitCode {
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
        Task::FitCheckSign => uboot::print(),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use clap::{CommandFactory, Parser};

    use super::Cli;

    /// README, CONTRIBUTING, ARCHITECTURE and every page of the book.
    fn documents() -> Vec<(String, String)> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let pages = std::fs::read_dir(root.join("docs")).unwrap();
        pages
            .map(|entry| entry.unwrap().path())
            .chain(["README.md", "CONTRIBUTING.md", "ARCHITECTURE.md"].map(|name| root.join(name)))
            .filter(|path| path.extension().is_some_and(|ending| ending == "md"))
            .map(|path| {
                let text = std::fs::read_to_string(&path).unwrap();
                (path.display().to_string(), text)
            })
            .collect()
    }

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_task_in_the_documents_exists() {
        let mut seen = 0;
        for (name, text) in documents() {
            for line in text.lines() {
                let Some(command) = line.trim_start().strip_prefix("cargo xtask ") else {
                    continue;
                };
                let words = command.split(" #").next().unwrap_or_default();
                let words = std::iter::once("xtask").chain(words.split_whitespace());
                assert!(Cli::try_parse_from(words).is_ok(), "{name}: {line}");
                seen += 1;
            }
        }
        assert!(seen > 5, "{seen} tasks were found");
    }
}
