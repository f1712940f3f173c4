//! The `countersign` command line.
//!
//! A library, so that manual pages and shell completions can be generated from [`command`]; `main.rs` only calls [`run`].

mod args;
mod commands;
mod connect;
mod environment;
mod error;
mod exit;
mod hashing;
mod interrupt;
mod keys;
mod naming;
mod output;
mod progress;
mod status;
mod wait;
mod write;

use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use args::{Args, Command};
use error::CliError;
use exit::Exit;
use output::Output;

/// The command line, for manual pages and shell completions.
pub fn command() -> clap::Command {
    Args::command()
}

/// Runs the program.
pub fn run() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => return print_parse_result(&error).into(),
    };
    let output = Output::new(args.global.json);
    let result = match &args.command {
        Command::Sign(sign) => commands::sign::run(sign, &args.global, output),
        Command::Verify(verify) => commands::verify::run(verify, &args.global, output),
        Command::Keys(keys) => commands::keys::run(keys, &args.global, output),
        Command::Certificate(certificate) => {
            commands::certificate::run(certificate, &args.global, output)
        }
        Command::Record(record) => commands::record::run(record, &args.global, output),
        Command::Pkcs11 { command } => commands::pkcs11::run(command, &args.global, output),
        Command::Activation { command } => commands::activation::run(command, &args.global, output),
    };
    match result {
        Ok(()) => Exit::Ok,
        Err(error) => {
            output.error(&error);
            error.exit()
        }
    }
    .into()
}

/// Prints help, version or a usage error, all of which clap reports as errors.
fn print_parse_result(error: &clap::Error) -> Exit {
    let usage = error.use_stderr();
    let json = std::env::args_os().any(|argument| argument == "--json");
    if usage && json {
        Output::new(true).error(&CliError::Usage(error.to_string().trim().to_owned()));
    } else {
        // A failure is ignored, because it cannot be reported anywhere.
        let _ = error.print();
    }
    if usage { Exit::Usage } else { Exit::Ok }
}
