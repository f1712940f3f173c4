//! `countersign-helper`: see [`countersign_helper::cli`].

use std::{io::IsTerminal, process::ExitCode};

use clap::Parser;
use countersign_helper::{cli::Cli, error_text::error_text};

fn main() -> ExitCode {
    let filter = tracing_subscriber::EnvFilter::try_from_env("COUNTERSIGN_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
    match Cli::parse().execute() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("countersign-helper: {}", error_text(&error));
            ExitCode::FAILURE
        }
    }
}
