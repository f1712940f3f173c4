//! The command line.

use std::{
    io::{BufRead, IsTerminal, Read},
    net::SocketAddr,
    path::PathBuf,
    process::ExitCode,
};

use anyhow::{Context, bail};
use clap::{Args, CommandFactory, Parser, Subcommand};
use countersign_protocol::{about::DEFAULT_HELPER_PORT, id::HsmId};
use zeroize::Zeroizing;

use crate::{
    config::{Config, ConfigFile, check_hsm_id, check_retired},
    hsm::so_pin,
    server::{self, DATABASE, Server},
};

/// Longest line with an SO-PIN, in bytes. Its memory is never moved while it is read, so that it can be wiped.
const LONGEST_LINE: usize = 256;

#[derive(Parser)]
#[command(
    name = "countersign-server",
    version,
    about = "Opens signing HSMs only with the approval of a remote quorum of custodians"
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve the portal and the API, and hold the connections to the signing HSMs.
    Serve(Options),
    /// Print a new one-time code with which the first admin enrols.
    BootstrapCode(Options),
    /// Deposit the SO-PIN of an HSM for one initialisation within 15 minutes. Asks for it on the terminal, or reads it from a pipe.
    SoPin {
        /// Name of the HSM.
        hsm: HsmId,
        #[command(flatten)]
        options: Options,
    },
}

#[derive(Args)]
struct Options {
    /// Configuration file in TOML.
    #[arg(long, value_name = "FILE", env = "COUNTERSIGN_SERVER_CONFIG")]
    config: Option<PathBuf>,
    /// Directory that holds the database and the server's identity key.
    #[arg(long, value_name = "DIR", env = "COUNTERSIGN_SERVER_DATA_DIR")]
    data_dir: Option<PathBuf>,
    /// IP address and port to listen on.
    #[arg(long, value_name = "ADDRESS", env = "COUNTERSIGN_SERVER_LISTEN")]
    listen: Option<SocketAddr>,
    /// Origin at which browsers reach the portal, such as https://sign.example.org.
    #[arg(long, value_name = "URL", env = "COUNTERSIGN_SERVER_PUBLIC_ORIGIN")]
    public_origin: Option<String>,
    /// Name of this server, shown in the portal and by the card helper.
    #[arg(long, env = "COUNTERSIGN_SERVER_NAME")]
    name: Option<String>,
    /// Port on which the card helper listens on each custodian's own computer.
    #[arg(long, value_name = "PORT", env = "COUNTERSIGN_SERVER_HELPER_PORT")]
    helper_port: Option<u16>,
    /// Accept simulated cards, which protect nothing: for demonstrations only.
    #[arg(long)]
    demo: bool,
}

impl Options {
    fn config(self) -> anyhow::Result<Config> {
        let file: ConfigFile = match &self.config {
            None => ConfigFile::default(),
            Some(path) => {
                let text = std::fs::read_to_string(path).with_context(|| {
                    format!("cannot read the configuration file {}", path.display())
                })?;
                check_retired(&text)?;
                toml::from_str(&text).with_context(|| {
                    format!("the configuration file {} is invalid", path.display())
                })?
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
            demo: self.demo,
            cardcontact_test_root: file.cardcontact_test_root,
            anchors: file.anchors,
            hsms: file.hsms,
            lease: file.lease,
            log: file.log,
            remote: file.remote,
            session: file.session,
            tls: file.tls,
            trusted_proxies: file.trusted_proxies,
        };
        config.check()?;
        Ok(config)
    }
}

/// The origin of a browser on this machine, which leaves out the default port of the scheme.
fn local_origin(port: u16, tls: bool) -> String {
    match (tls, port) {
        (true, 443) => "https://localhost".into(),
        (true, _) => format!("https://localhost:{port}"),
        (false, 80) => "http://localhost".into(),
        (false, _) => format!("http://localhost:{port}"),
    }
}

/// Describes the command line, for manual pages and shell completions.
pub fn command() -> clap::Command {
    Cli::command()
}

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
        Command::SoPin { hsm, options } => deposit_so_pin(&options.config()?, &hsm),
    }
}

fn must_hold_a_database(config: &Config) -> anyhow::Result<()> {
    let folder = &config.data_dir;
    if !folder.join(DATABASE).exists() {
        bail!(
            "the data directory {} holds no database: name the directory that `serve` uses with --data-dir or --config",
            folder.display()
        );
    }
    Ok(())
}

fn deposit_so_pin(config: &Config, hsm: &HsmId) -> anyhow::Result<()> {
    must_hold_a_database(config)?;
    check_hsm_id(hsm)?;
    let prompt = format!("SO-PIN of HSM {hsm} (16 hex digits): ");
    let text = if std::io::stdin().is_terminal() {
        rpassword::prompt_password(prompt)
    } else {
        read_line()
    };
    let text = Zeroizing::new(text.context("the SO-PIN cannot be read")?);
    so_pin::deposit(&config.data_dir, hsm, &text)?;
    println!(
        "The SO-PIN is deposited. The server uses it for the next initialisation of HSM {hsm} within {} minutes, and then deletes it.",
        so_pin::LIFE.as_secs() / 60
    );
    Ok(())
}

/// Reads one line from standard input.
fn read_line() -> std::io::Result<String> {
    let mut line = String::with_capacity(LONGEST_LINE);
    let longest = u64::try_from(LONGEST_LINE).unwrap_or(u64::MAX);
    std::io::stdin().lock().take(longest).read_line(&mut line)?;
    Ok(line)
}

async fn bootstrap_code(config: Config) -> anyhow::Result<()> {
    must_hold_a_database(&config)?;
    let server = Server::open(config).await?;
    server::print_bootstrap_code(&server)
        .await?
        .context("this server already has an admin: admins invite more people in the portal")
}
