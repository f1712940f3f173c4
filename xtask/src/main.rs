//! `cargo xtask`: everything that a developer runs. Needs nothing but cargo to start; installs what is missing.

mod bench;
mod book;
mod build;
mod demo;
mod dist;
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
    /// Write manual pages, shell completions, service files and the book to target/dist.
    Dist,
    /// Build the book from docs/ into target/book. docs/testing.md says how to make new screenshots.
    Book,
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
        Task::Dist => dist::run_task(),
        Task::Book => book::build(),
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
