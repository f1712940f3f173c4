//! `cargo xtask test`: every check and every layer of tests.

use std::{ffi::OsString, process::Command, thread::available_parallelism};

use clap::Args;

use crate::{
    build::{self, SIMULATOR, workspace},
    layers::{Layers, Step},
    run::run,
    setup,
};

#[derive(Args)]
pub struct Test {
    /// Leave out the tests that start several programs: no browser, no PC/SC
    #[arg(long)]
    quick: bool,
}

impl Test {
    /// Runs the layers, stops at the first that fails, and prints how long each took.
    pub fn run(self) -> anyhow::Result<()> {
        // Building the tests replaces this program's file, after which the system no longer knows its path.
        let xtask = std::env::current_exe()?.into_os_string();
        let mut layers = Layers::new();
        let result = if self.quick {
            quick(&mut layers, &xtask)
        } else {
            all(&mut layers, &xtask)
        };
        layers.print_times();
        result
    }
}

fn quick(layers: &mut Layers, xtask: &OsString) -> anyhow::Result<()> {
    layers.run("packages", setup::for_quick_tests)?;
    layers.run_side_by_side([task(xtask, LINT, "lint"), task(xtask, PORTAL, "portal")])?;
    layers.run("units and services", || run(&mut units()))
}

fn all(layers: &mut Layers, xtask: &OsString) -> anyhow::Result<()> {
    layers.run("packages", setup::for_tests)?;
    layers.run_side_by_side([
        task(xtask, LINT, "lint"),
        task(xtask, PORTAL, "portal"),
        task(xtask, "U-Boot's verifier", "fit-check-sign"),
    ])?;
    layers.run("manual pages, service files and the book", || {
        run(&mut as_written(xtask, &["dist"]))
    })?;
    layers.run("build of programs and tests", build::everything)?;
    layers.run("units and services", || run(&mut units()))?;
    layers.run("examples in the API documentation", || run(&mut examples()))?;
    layers.run("short runs of the fuzz targets", || run(&mut short_runs()))?;
    // The machine has one PC/SC service, which the helpers of other tests would use too.
    layers.run("programs over the machine's PC/SC service", || {
        run(&mut programs(&["pcsc::", "--test-threads=1"]))
    })?;
    // Tests of remote HSMs mostly wait, for silent connections and slow cards.
    let threads = format!("--test-threads={}", threads());
    let rest = ["--skip", "pcsc::", "--skip", "remote::", &threads];
    layers.run_side_by_side([
        Step {
            name: "programs with remote HSMs",
            command: programs(&["remote::", "--test-threads=1"]),
        },
        Step {
            name: "programs together: command line, PKCS#11, OpenSC, cloud service, Chromium",
            command: programs(&rest),
        },
    ])?;
    // Loads measure time, so they run alone.
    layers.run("load on PKCS#11 modules", || run(&mut load()))?;
    // The demo builds its programs for itself, in place of those that the tests have used.
    layers.run("demo", || {
        run(&mut as_written(
            xtask,
            &["demo", "--auto", "--file", "README.md"],
        ))
    })
}

const LINT: &str = "format, lints, documentation, licences";
const PORTAL: &str = "portal";

/// Another task of this program as a layer. Its output is printed afterwards, so cargo need not report its progress.
fn task(xtask: &OsString, name: &'static str, subcommand: &str) -> Step {
    let mut command = Command::new(xtask);
    command.arg(subcommand).env("CARGO_TERM_QUIET", "true");
    Step { name, command }
}

/// A task that documents show, with the arguments that they show.
fn as_written(xtask: &OsString, arguments: &[&str]) -> Command {
    let mut command = Command::new(xtask);
    command.args(arguments);
    command
}

/// Every test that needs no other program. The packages are selected as for the build; leaving out benchmarks and fuzz
/// targets changes nothing for the dependencies, and the test of `countersign-e2e` needs a feature.
fn units() -> Command {
    let mut command = tests();
    command
        .args(["--exclude", "countersign-bench"])
        .args(["--exclude", "countersign-fuzz"])
        .args(["--features", SIMULATOR])
        .args(["--lib", "--bins", "--tests"])
        // Many of them wait for a simulated device or for a time limit.
        .env("RUST_TEST_THREADS", (2 * threads()).to_string());
    command
}

fn examples() -> Command {
    let mut command = tests();
    command.args(["--doc", "--features", SIMULATOR]);
    command
}

fn short_runs() -> Command {
    let mut command = tests();
    command.args(["--test", "short", "--features", SIMULATOR]);
    command
}

/// The tests that start several programs, with arguments for their test binary.
fn programs(arguments: &[&str]) -> Command {
    let features = format!("{SIMULATOR},countersign-e2e/run");
    let mut command = tests();
    command
        .args(["--test", "e2e", "--features", &features, "--"])
        .args(arguments);
    command
}

fn load() -> Command {
    let mut command = tests();
    command.args(["--test", "load", "--features", SIMULATOR]);
    command
}

/// `cargo test` without backtraces, because the context of an error explains it better than a trace through async code.
fn tests() -> Command {
    let mut command = workspace("test");
    command.env("RUST_LIB_BACKTRACE", "0");
    command
}

/// Number of tests with several programs that run at the same time. Most of the time they wait for each other's programs, so two of them do not
/// overload two processors.
fn threads() -> usize {
    available_parallelism().map_or(2, |count| count.get().clamp(2, 4))
}
