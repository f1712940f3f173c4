//! The command line.

use std::{
    fs::TryLockError,
    io::IsTerminal,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use anyhow::{Context, bail};
use clap::{Args, CommandFactory, Parser, Subcommand};
use countersign_protocol::about::DEFAULT_HELPER_PORT;
use tokio::net::TcpListener;

use crate::{
    app::{self, App, DATABASE},
    config::{Config, ConfigFile},
    http, people,
    tls::{self, Pace, Reload, TlsConfig, TlsListener},
};

/// How long requests under way may take when the server stops.
const DRAIN: Duration = Duration::from_secs(2);
/// How often the files of certificate and key are looked at.
const LOOK: Duration = Duration::from_secs(5);

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
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_env_filter(
            tracing_subscriber::EnvFilter::try_from_default_env()
                .unwrap_or_else(|_| "info,sqlx=warn,tower_sessions=warn".into()),
        )
        .init();
    let result = tokio::runtime::Runtime::new()
        .map_err(anyhow::Error::from)
        .and_then(|runtime| {
            runtime.block_on(async {
                match Cli::parse().command {
                    Command::Serve(options) => serve(options.config()?).await,
                    Command::BootstrapCode(options) => bootstrap_code(options.config()?).await,
                }
            })
        });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("countersign-server: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn bootstrap_code(config: Config) -> anyhow::Result<()> {
    let folder = &config.data_dir;
    if !folder.join(DATABASE).exists() {
        bail!(
            "no server was ever started with the data directory {}: give the one that `serve` uses, by --data-dir or --config",
            folder.display()
        );
    }
    let app = App::open(config).await?;
    print_bootstrap_code(&app)
        .await?
        .context("this server has operators already: an admin can invite people")
}

/// Prints to the terminal, never to a log.
async fn print_bootstrap_code(app: &App) -> anyhow::Result<Option<()>> {
    Ok(people::new_bootstrap_code(app)
        .await?
        .map(|(code, expires_at)| {
            println!(
                "No admin yet. Open {}/setup and enter this code.",
                app.config.public_origin
            );
            println!("One-time code: {code}  (until {expires_at:.0})");
        }))
}

/// Where clients come in.
enum Door {
    /// Unencrypted: for this machine, or for a proxy.
    Plain(TcpListener),
    Tls(TlsListener, Reload),
}

impl Door {
    fn open(tcp: TcpListener, config: &TlsConfig) -> anyhow::Result<Self> {
        Ok(match &config.files {
            None => Self::Plain(tcp),
            Some(files) => {
                let (listener, reload) = TlsListener::new(tcp, files, config, Pace::default())?;
                Self::Tls(listener, reload)
            }
        })
    }
}

async fn serve(config: Config) -> anyhow::Result<()> {
    // Nothing is changed before it is sure that no other server is at it.
    let _alone = alone(&config.data_dir)?;
    let listener = TcpListener::bind(config.listen)
        .await
        .with_context(|| format!("cannot listen on {}", config.listen))?;
    let address = listener.local_addr()?;
    let door = Door::open(listener, &config.tls)?;
    let app = App::open(config).await?;
    if app.config.demo {
        println!("DEMO: simulated cards are accepted. They protect nothing.");
    }
    println!("Data: {}", app.config.data_dir.join(DATABASE).display());
    if app.config.hsms.is_empty() {
        println!(
            "No signing HSM is configured: add an [[hsm]] section to the configuration file, or attach one from afar with \
             `countersign-helper connect {}/rt/hsm`.",
            app.config.public_origin
        );
    }
    app.start().await?;
    print_bootstrap_code(&app).await?;
    println!("Listening on {address} as {}", app.config.public_origin);
    let (locked, drain) = tokio::sync::oneshot::channel::<()>();
    let service = http::router(&app)
        .await?
        .into_make_service_with_connect_info::<http::Peer>();
    let drained = async { drop(drain.await) };
    let server = async {
        match door {
            Door::Plain(listener) => {
                axum::serve(listener, service)
                    .with_graceful_shutdown(drained)
                    .await
            }
            Door::Tls(listener, reload) => {
                tokio::spawn(tls::reload_when_changed(reload, LOOK));
                axum::serve(listener, service)
                    .with_graceful_shutdown(drained)
                    .await
            }
        }
    };
    let stop = async {
        stopped().await;
        // HSMs first: open pages may keep their connections for long.
        app.shutdown().await;
        drop(locked);
        tokio::time::sleep(DRAIN).await;
    };
    tokio::select! {
        ended = server => Ok(ended?),
        () = stop => Ok(()),
    }
}

/// Two servers on one database would end each other's leases. The lock lasts as long as the file is open.
fn alone(data_dir: &Path) -> anyhow::Result<std::fs::File> {
    app::make_data_dir(data_dir)?;
    let path = data_dir.join("lock");
    let file =
        std::fs::File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => bail!(
            "another server uses the data folder {}: stop it, or choose another folder",
            data_dir.display()
        ),
        Err(TryLockError::Error(error)) => {
            Err(error).with_context(|| format!("cannot lock {}", path.display()))
        }
    }
}

async fn stopped() {
    let interrupt = tokio::signal::ctrl_c();
    match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
        Ok(mut terminate) => {
            tokio::select! {
                _ = interrupt => {}
                _ = terminate.recv() => {}
            }
        }
        Err(_) => {
            let _ = interrupt.await;
        }
    }
}
