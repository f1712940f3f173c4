//! The command line.

mod card_args;
mod config_dir;
mod connect;
mod export_key;
mod origins;
mod prompt_args;
mod readers;
mod run;
mod web_client;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::origin::Origin;

/// Show what your signing server requests, and sign it with your card after your consent.
#[derive(Debug, Parser)]
#[command(
    name = "countersign-helper",
    version,
    args_conflicts_with_subcommands = true
)]
pub struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    run: run::RunArgs,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve pages in the browser, in the foreground (the default).
    Run(run::RunArgs),
    /// List readers, cards and keys.
    Readers(CardArgs),
    /// Attach a card or HSM of this computer to a remote server, over RAMOverHTTP.
    Connect(connect::ConnectArgs),
    /// Write a key's .pka file, with which an HSM registers the key.
    ExportKey(export_key::ExportArgs),
    /// List the pages that are allowed to use the helper, or forget one.
    Origins(OriginArgs),
}

/// Options for card sources and trust anchors.
#[derive(Clone, Debug, Default, Args)]
pub struct CardArgs {
    /// Also accept CardContact's test devices.
    #[arg(long)]
    allow_test_root: bool,
    /// Also accept devices certified by this root certificate (CVC). Repeatable.
    #[arg(long, value_name = "NAME=FILE", value_parser = parse_anchor)]
    anchor: Vec<(String, PathBuf)>,
    /// Accept simulated cards and HSMs, which protect nothing.
    #[cfg(feature = "simulator")]
    #[arg(long)]
    demo: bool,
    /// Use this simulated card. Repeatable.
    #[cfg(feature = "simulator")]
    #[arg(long, value_name = "FILE", requires = "demo")]
    simulated_card: Vec<PathBuf>,
    /// Make simulated cards as slow as a real device.
    #[cfg(feature = "simulator")]
    #[arg(long, requires = "simulated_card")]
    simulated_device_times: bool,
}

/// Options for the helper's configuration.
#[derive(Clone, Debug, Default, Args)]
pub struct ConfigArgs {
    /// Directory for allowed pages and pinned server keys.
    #[arg(long, value_name = "DIR", env = "COUNTERSIGN_HELPER_CONFIG")]
    config_dir: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct OriginArgs {
    #[command(flatten)]
    config: ConfigArgs,
    #[command(subcommand)]
    command: Option<OriginCommand>,
}

#[derive(Debug, Subcommand)]
enum OriginCommand {
    /// Revoke the permissions of an origin and forget its server key.
    Forget {
        /// Origin, such as `https://sign.example.org`.
        origin: Origin,
        #[command(flatten)]
        config: ConfigArgs,
    },
}

impl Cli {
    /// Runs the command.
    ///
    /// # Errors
    /// The command fails. The message is written for the user.
    pub fn execute(self) -> anyhow::Result<()> {
        match self.command.unwrap_or(Command::Run(self.run)) {
            Command::Run(args) => run::run(args),
            Command::Readers(args) => readers::list(&args),
            Command::Connect(args) => connect::connect(args),
            Command::ExportKey(args) => export_key::export(args),
            Command::Origins(args) => match args.command {
                None => origins::list(&args.config),
                Some(OriginCommand::Forget { origin, config }) => {
                    origins::forget(&args.config.or(config), &origin)
                }
            },
        }
    }
}

fn parse_anchor(text: &str) -> Result<(String, PathBuf), String> {
    match text.split_once('=') {
        Some((name, file)) if !name.is_empty() && !file.is_empty() => {
            Ok((name.to_owned(), file.into()))
        }
        _ => Err("expected NAME=FILE".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn run_is_the_default_command() {
        let cli = Cli::try_parse_from(["countersign-helper", "--port", "0"]).unwrap();
        assert!(cli.command.is_none());
        assert!(Cli::try_parse_from(["countersign-helper", "run", "--port", "0"]).is_ok());
        assert!(
            Cli::try_parse_from([
                "countersign-helper",
                "origins",
                "forget",
                "https://a.example",
                "--config-dir",
                "x"
            ])
            .is_ok()
        );
        assert!(
            Cli::try_parse_from([
                "countersign-helper",
                "origins",
                "--config-dir",
                "x",
                "forget",
                "https://a.example"
            ])
            .is_ok()
        );
    }

    #[cfg(feature = "simulator")]
    #[test]
    fn simulated_cards_require_demo() {
        assert!(Cli::try_parse_from(["countersign-helper", "--simulated-card", "x"]).is_err());
        assert!(
            Cli::try_parse_from(["countersign-helper", "--demo", "--simulated-card", "x"]).is_ok()
        );
    }
}
