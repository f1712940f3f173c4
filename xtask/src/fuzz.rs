//! `cargo xtask fuzz`: searches for findings with libFuzzer, for as long as wanted.

use std::{
    ffi::OsString,
    fs,
    io::{BufRead, BufReader, Read},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, bail, ensure};
use clap::Args;

use crate::{
    build::target,
    run::{cargo, describe, run, succeeds},
};

/// Longest input in bytes.
const LONGEST: u32 = 65_536;

/// Longest line of the search that is read, in bytes.
const LONGEST_LINE: u64 = 1 << 20;

#[derive(Args)]
pub struct Fuzz {
    /// Name of the target; without it, the targets are listed
    target: Option<String>,
    /// Time after which the search ends
    #[arg(long, value_name = "SECONDS", default_value_t = 600)]
    seconds: u64,
    /// Remove inputs from the corpus that reach nothing new, instead of a search
    #[arg(long, conflicts_with = "seconds")]
    minimise: bool,
}

/// The files of one target, all of them in Cargo's target directory.
struct Places {
    corpus: PathBuf,
    findings: PathBuf,
}

impl Places {
    fn new(name: &str) -> anyhow::Result<Self> {
        let folder = target()?.join("fuzz");
        let places = Self {
            corpus: folder.join("corpus").join(name),
            findings: folder.join("findings").join(name),
        };
        fs::create_dir_all(&places.corpus)?;
        fs::create_dir_all(&places.findings)?;
        Ok(places)
    }
}

impl Fuzz {
    pub fn run(self) -> anyhow::Result<()> {
        let Some(name) = &self.target else {
            return run(stable().arg("list"));
        };
        let places = Places::new(name)?;
        // Also finds a wrong name, before anything is installed or built.
        run(stable().args(["seeds", name]).arg(&places.corpus))?;
        check_compiler()?;
        let program = build(name)?;
        if self.minimise {
            return minimise(&program, &places.corpus);
        }
        let mut search = Command::new(program);
        search
            .arg(&places.corpus)
            .arg(format!("-artifact_prefix={}/", places.findings.display()))
            .arg(format!("-max_total_time={}", self.seconds))
            .arg(format!("-max_len={LONGEST}"))
            .args(["-rss_limit_mb=2048", "-timeout=60", "-report_slow_units=60"])
            .arg("-print_final_stats=1");
        report(name, &watch(&mut search)?)
    }
}

/// Builds a target and returns its program.
///
/// Only the packages of this workspace report coverage, so that their dependencies are those of every other build, and
/// a search looks for new paths in this project's code. This works without a nightly compiler, which sanitizers would
/// need. Rust's own checks, for example of overflow, are those of the profile for development.
fn build(name: &str) -> anyhow::Result<PathBuf> {
    run(
        cargo(["build", "--package", "countersign-fuzz", "--bin", name])
            .args(["--features", "libfuzzer"])
            .env("RUSTC_WORKSPACE_WRAPPER", std::env::current_exe()?)
            .env(COMPILER, "1"),
    )?;
    Ok(target()?.join("debug").join(name))
}

/// Set if this program runs in place of the compiler, for a package of this workspace.
const COMPILER: &str = "COUNTERSIGN_FUZZ_COMPILER";

/// The coverage that libFuzzer needs.
const COVERAGE: [&str; 5] = [
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
];

/// Runs the compiler, if cargo has started this program in its place. Returns the compiler's success.
pub fn compile() -> Option<anyhow::Result<bool>> {
    std::env::var_os(COMPILER)?;
    let mut arguments = std::env::args_os().skip(1);
    let mut compiler = Command::new(arguments.next()?);
    let arguments: Vec<_> = arguments.collect();
    if reports_coverage(&arguments) {
        compiler.args(COVERAGE);
    }
    Some(match compiler.args(arguments).status() {
        Ok(status) => Ok(status.success()),
        Err(error) => Err(error).context("cannot run the compiler"),
    })
}

/// Whether the compiler compiles a part of a target. Build scripts and macros are linked without libFuzzer, and cargo
/// asks the compiler for its properties with an empty crate `___`.
fn reports_coverage(arguments: &[OsString]) -> bool {
    let follows = |name: &str, value: &str| arguments.windows(2).any(|two| two == [name, value]);
    let is_crate = arguments.iter().any(|argument| argument == "--crate-name");
    is_crate
        && !follows("--crate-name", "___")
        && !follows("--crate-name", "build_script_build")
        && !follows("--crate-type", "proc-macro")
}

/// Keeps the smallest set of inputs that reaches the same code.
fn minimise(program: &Path, corpus: &Path) -> anyhow::Result<()> {
    let smaller = corpus.with_extension("smaller");
    fs::create_dir_all(&smaller)?;
    run(Command::new(program)
        .arg("-merge=1")
        .arg(&smaller)
        .arg(corpus))?;
    fs::remove_dir_all(corpus)?;
    fs::rename(smaller, corpus)?;
    Ok(())
}

/// What libFuzzer has printed about a search.
#[derive(Debug, Default, PartialEq, Eq)]
struct Search {
    executions: u64,
    /// Coverage of the seeds and the earlier corpus, in edges of the control flow.
    coverage_before: u64,
    coverage: u64,
    finding: Option<PathBuf>,
}

impl Search {
    fn read(&mut self, line: &str) {
        if let Some(path) = line.split("Test unit written to ").nth(1) {
            self.finding = Some(path.trim().into());
        }
        if let Some(count) = line.strip_prefix("stat::number_of_executed_units:") {
            self.executions = count.trim().parse().unwrap_or(self.executions);
        }
        let Some(coverage) = number_after(line, " cov: ") else {
            return;
        };
        self.coverage = coverage;
        if line.contains("\tINITED ") {
            self.coverage_before = coverage;
        }
        if let Some(executions) = number_after(line, "#") {
            self.executions = executions;
        }
    }
}

fn number_after(line: &str, name: &str) -> Option<u64> {
    let (_, rest) = line.split_once(name)?;
    let end = rest.find(|character: char| !character.is_ascii_digit());
    rest[..end.unwrap_or(rest.len())].parse().ok()
}

/// Runs the search to its end. Its lines are printed as they come.
fn watch(command: &mut Command) -> anyhow::Result<Search> {
    let line = describe(command);
    let mut process = command
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot run `{line}`"))?;
    let output = process.stderr.take().context("no standard error")?;
    let mut output = BufReader::new(output);
    let mut search = Search::default();
    loop {
        let mut bytes = Vec::new();
        // An input can make a target print anything, in any length.
        output
            .by_ref()
            .take(LONGEST_LINE)
            .read_until(b'\n', &mut bytes)?;
        if bytes.is_empty() {
            break;
        }
        let text = String::from_utf8_lossy(&bytes);
        eprint!("{text}");
        search.read(&text);
    }
    let status = process.wait()?;
    ensure!(
        status.success() || search.finding.is_some(),
        "`{line}` failed: {status}"
    );
    Ok(search)
}

fn report(name: &str, search: &Search) -> anyhow::Result<()> {
    let Search {
        executions,
        coverage_before: before,
        coverage,
        finding,
    } = search;
    println!(
        "{name}: {executions} executions, coverage {coverage} ({} new), {}",
        coverage.saturating_sub(*before),
        if finding.is_some() {
            "1 finding"
        } else {
            "no finding"
        }
    );
    if let Some(input) = finding {
        bail!(
            "the input of the finding is in {0}: `cargo run -p countersign-fuzz -- replay {name} {0}` repeats it",
            input.display()
        );
    }
    Ok(())
}

/// The runner for stable Rust, which knows the targets and their seeds.
fn stable() -> Command {
    cargo(["run", "--quiet", "--package", "countersign-fuzz", "--"])
}

fn check_compiler() -> anyhow::Result<()> {
    ensure!(
        succeeds("c++", &["--version"]),
        "libFuzzer is built with a C++ compiler, and there is none: install Debian's package g++"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn search(lines: &[&str]) -> Search {
        let mut search = Search::default();
        lines.iter().for_each(|line| search.read(line));
        search
    }

    #[test]
    fn only_parts_of_a_target_report_coverage() {
        let reports = |line: &str| {
            let arguments: Vec<_> = line.split(' ').map(OsString::from).collect();
            reports_coverage(&arguments)
        };
        assert!(reports("--crate-name countersign_cvc --crate-type lib"));
        assert!(reports("--crate-name cvc --crate-type bin"));
        assert!(!reports("-vV"));
        assert!(!reports("- --crate-name ___ --print=file-names"));
        assert!(!reports("--crate-name build_script_build --crate-type bin"));
        assert!(!reports("--crate-name macros --crate-type proc-macro"));
    }

    #[test]
    fn a_search_without_a_finding_is_read() {
        let found = search(&[
            "INFO: seed corpus: files: 3 min: 1b max: 217b total: 300b rss: 40Mb",
            "#4\tINITED cov: 120 ft: 130 corp: 3/300b exec/s: 0 rss: 40Mb",
            "#4096\tNEW    cov: 150 ft: 190 corp: 9/900b lim: 217 exec/s: 2048 rss: 41Mb",
            "#90000\tDONE   cov: 151 ft: 193 corp: 10/1000b lim: 300 exec/s: 150 rss: 41Mb",
            "Done 90000 runs in 601 second(s)",
            "stat::number_of_executed_units: 90000",
        ]);
        let expected = Search {
            executions: 90_000,
            coverage_before: 120,
            coverage: 151,
            finding: None,
        };
        assert_eq!(found, expected);
        assert!(report("tlv", &found).is_ok());
    }

    #[test]
    fn a_finding_is_an_error_that_names_its_file() {
        let found = search(&[
            "#4\tINITED cov: 120 ft: 130 corp: 3/300b exec/s: 0 rss: 40Mb",
            "stat::number_of_executed_units: 77",
            "artifact_prefix='/t/'; Test unit written to /t/crash-0a1b",
        ]);
        assert_eq!(found.finding.as_deref(), Some(Path::new("/t/crash-0a1b")));
        assert_eq!(found.executions, 77);
        let error = report("tlv", &found).expect_err("a finding is an error");
        assert!(error.to_string().contains("/t/crash-0a1b"), "{error}");
    }
}
