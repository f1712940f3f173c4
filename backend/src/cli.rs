//! The command line.

use std::{net::SocketAddr, path::PathBuf, process::ExitCode};

use anyhow::{Context, bail};
use clap::{Args, CommandFactory, Parser, Subcommand};
use countersign_protocol::about::DEFAULT_HELPER_PORT;

use crate::{
    config::{Config, ConfigFile},
    server::{self, DATABASE, Server},
};

#[derive(Parser)]
#[command(
    name = "countersign-server",
    version,
    about = "Lets a remote quorum open signing HSMs"
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve the portal and the API, and hold the signing HSMs.
    Serve(Options),
    /// Print a new one-time code for the first admin, if there is none yet.
    BootstrapCode(Options),
}

#[derive(Args)]
struct Options {
    /// Configuration file.
    #[arg(long, env = "COUNTERSIGN_SERVER_CONFIG")]
    config: Option<PathBuf>,
    /// Folder of database and identity key.
    #[arg(long, env = "COUNTERSIGN_SERVER_DATA_DIR")]
    data_dir: Option<PathBuf>,
    /// Address to listen on.
    #[arg(long, env = "COUNTERSIGN_SERVER_LISTEN")]
    listen: Option<SocketAddr>,
    /// Origin under which browsers see the portal, such as https://sign.example.org.
    #[arg(long, env = "COUNTERSIGN_SERVER_PUBLIC_ORIGIN")]
    public_origin: Option<String>,
    /// Name of this server for people.
    #[arg(long, env = "COUNTERSIGN_SERVER_NAME")]
    name: Option<String>,
    /// Port of the custodians' helper.
    #[arg(long, env = "COUNTERSIGN_SERVER_HELPER_PORT")]
    helper_port: Option<u16>,
    /// Accept simulated cards, which protect nothing.
    #[arg(long)]
    demo: bool,
}

impl Options {
    fn config(self) -> anyhow::Result<Config> {
        let file: ConfigFile = match &self.config {
            None => ConfigFile::default(),
            Some(path) => {
                let text = std::fs::read_to_string(path)
                    .with_context(|| format!("cannot read the configuration {}", path.display()))?;
                toml::from_str(&text)
                    .with_context(|| format!("the configuration {} is wrong", path.display()))?
            }
        };
        let listen = self
            .listen
            .or(file.listen)
            .unwrap_or_else(|| ([127, 0, 0, 1], 8080).into());
        let config = Config {
            name: self
                .name
                .or(file.name)
                .unwrap_or_else(|| "Countersign".into()),
            listen,
            public_origin: self
                .public_origin
                .or(file.public_origin)
                .unwrap_or_else(|| local_origin(listen.port(), file.tls.files.is_some())),
            data_dir: self
                .data_dir
                .or(file.data_dir)
                .unwrap_or_else(|| "countersign-data".into()),
            helper_port: self
                .helper_port
                .or(file.helper_port)
                .unwrap_or(DEFAULT_HELPER_PORT),
            so_pin_dir: file.so_pin_dir,
            demo: self.demo,
            cardcontact_test_root: file.cardcontact_test_root,
            anchors: file.anchors,
            hsms: file.hsms,
            lease: file.lease,
            log: file.log,
            remote: file.remote,
            tls: file.tls,
            trusted_proxies: file.trusted_proxies,
        };
        config.check()?;
        Ok(config)
    }
}

/// As browsers on this machine see it; they leave out the usual port.
fn local_origin(port: u16, tls: bool) -> String {
    match (tls, port) {
        (true, 443) => "https://localhost".into(),
        (true, _) => format!("https://localhost:{port}"),
        (false, 80) => "http://localhost".into(),
        (false, _) => format!("http://localhost:{port}"),
    }
}

/// The command line, for manual pages and shell completions.
pub fn command() -> clap::Command {
    Cli::command()
}

/// Runs the program.
pub fn run() -> ExitCode {
    let result = tokio::runtime::Runtime::new()
        .map_err(anyhow::Error::from)
        .and_then(|runtime| runtime.block_on(run_command(Cli::parse().command)));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("countersign-server: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run_command(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Serve(options) => {
            let config = options.config()?;
            server::init_logging(config.log);
            server::serve(config).await
        }
        Command::BootstrapCode(options) => {
            let config = options.config()?;
            server::init_logging(config.log);
            bootstrap_code(config).await
        }
    }
}

async fn bootstrap_code(config: Config) -> anyhow::Result<()> {
    let folder = &config.data_dir;
    if !folder.join(DATABASE).exists() {
        bail!(
            "no server was ever started with the data directory {}: name the one that `serve` uses, by --data-dir or --config",
            folder.display()
        );
    }
    let server = Server::open(config).await?;
    server::print_bootstrap_code(&server)
        .await?
        .context("this server has operators already: an admin can invite people")
}
