//! `countersign-fuzz`: runs fuzz targets with stable Rust.

use std::{fs, path::PathBuf, process::ExitCode, time::Duration};

use anyhow::Context;
use clap::{Parser, Subcommand};
use countersign_fuzz::{
    TARGETS, Target,
    runner::{self, Outcome, Until},
};

#[derive(Parser)]
#[command(about = "Run fuzz targets with stable Rust")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// List the targets
    List,
    /// Run the seeds, the corpus and mutations of them, until a finding or an end
    Run {
        target: String,
        /// End after this number of mutations; by default, after some seconds' work
        #[arg(long, conflicts_with = "seconds")]
        executions: Option<u64>,
        /// End after this time
        #[arg(long)]
        seconds: Option<u64>,
        /// Number from which the mutations are derived
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// File for the input of a finding
        #[arg(long, default_value = "finding.bin")]
        finding: PathBuf,
    },
    /// Run one input from a file
    Replay { target: String, file: PathBuf },
    /// Write the seeds and the corpus of a target into a folder, for `cargo xtask fuzz`
    Seeds { target: String, folder: PathBuf },
}

fn main() -> ExitCode {
    match execute(Cli::parse().command) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("countersign-fuzz: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn execute(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::List => {
            for target in TARGETS {
                println!("{}", target.name);
            }
        }
        Command::Run {
            target,
            executions,
            seconds,
            seed,
            finding,
        } => {
            let chosen = find(&target)?;
            let until = match seconds {
                Some(seconds) => Until::Time(Duration::from_secs(seconds)),
                None => Until::Executions(executions.unwrap_or(chosen.short)),
            };
            let Outcome {
                executions,
                finding: found,
            } = runner::run(chosen, seed, until)?;
            let Some(input) = found else {
                println!("{target}: {executions} executions, no finding");
                return Ok(ExitCode::SUCCESS);
            };
            fs::write(&finding, &input)
                .with_context(|| format!("cannot write {}", finding.display()))?;
            println!(
                "{target}: a finding after {executions} executions, in {}",
                finding.display()
            );
            return Ok(ExitCode::FAILURE);
        }
        Command::Replay { target, file } => {
            let input =
                fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
            (find(&target)?.run)(&input);
        }
        Command::Seeds { target, folder } => {
            fs::create_dir_all(&folder)?;
            for (number, input) in runner::inputs(find(&target)?)?.iter().enumerate() {
                fs::write(folder.join(format!("seed-{number:03}")), input)?;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn find(name: &str) -> anyhow::Result<&'static Target> {
    let found = TARGETS.iter().find(|target| target.name == name);
    found
        .with_context(|| format!("there is no target `{name}`: `countersign-fuzz list` lists them"))
}
