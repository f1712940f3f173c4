//! Serves until the process receives SIGINT or SIGTERM.

use std::{io::IsTerminal, path::PathBuf, time::Duration};

use anyhow::Context;
use tokio::{net::TcpListener, sync::oneshot};

use super::{
    Server,
    data_dir::{DATABASE, lock_data_dir},
};
use crate::{config::Config, hsm::so_pin, http, tls};

/// How long running requests may take to finish when the server stops.
const DRAIN: Duration = Duration::from_secs(2);
/// How often the files of the certificate and its key are checked for changes.
const RELOAD_INTERVAL: Duration = Duration::from_secs(5);

/// How often expired SO-PINs are looked for.
const SO_PIN_INTERVAL: Duration = Duration::from_secs(60);

/// Serves the portal and the API, and holds the connections to the signing HSMs.
///
/// # Errors
/// The server cannot start, or stops listening.
pub async fn serve(config: Config) -> anyhow::Result<()> {
    // The lock comes first, so that nothing changes while another server uses the directory.
    let _lock = lock_data_dir(&config.data_dir)?;
    let listener = TcpListener::bind(config.listen)
        .await
        .with_context(|| format!("cannot listen on {}", config.listen))?;
    let address = listener.local_addr()?;
    let handshakes = match &config.tls.files {
        None => None,
        Some(files) => {
            let (handshakes, reload) = tls::Handshakes::new(files, &config.tls)?;
            tokio::spawn(tls::reload_when_changed(reload, RELOAD_INTERVAL));
            Some(handshakes)
        }
    };
    let server = Server::open(config).await?;
    let config = &server.config;
    if config.demo {
        println!("DEMO: this server accepts simulated cards, which protect nothing.");
    }
    println!("Data: {}", config.data_dir.join(DATABASE).display());
    if config.hsms.is_empty() {
        println!(
            "No signing HSM is configured. Add an [[hsm]] section to the configuration file, or attach a remote HSM with \
             `countersign-helper connect {}/rt/hsm`.",
            config.public_origin
        );
    }
    tokio::spawn(forget_so_pins(config.data_dir.clone()));
    server.start().await?;
    offer_bootstrap_code(&server).await?;
    println!("Listening on {address} as {}", config.public_origin);
    let (locked, drain) = oneshot::channel::<()>();
    let connections = http::Connections::new(
        http::router(server.http_state())?,
        config.trusted_proxies.clone(),
        http::ConnectionLimits::of_this_process(),
    )
    .with_tls(handshakes);
    let serving = connections.serve(listener, async { drop(drain.await) });
    let stop = async {
        stopped().await;
        // The HSMs are locked first, because open pages may keep their connections for a long time.
        server.shutdown().await;
        drop(locked);
        tokio::time::sleep(DRAIN).await;
    };
    tokio::select! {
        () = serving => {}
        () = stop => {}
    }
    Ok(())
}

/// Deletes deposited SO-PINs that nobody used in time.
async fn forget_so_pins(data_dir: PathBuf) {
    let mut timer = tokio::time::interval(SO_PIN_INTERVAL);
    loop {
        timer.tick().await;
        so_pin::forget_expired(&data_dir);
    }
}

/// Prints a one-time code for the first admin if this runs on a terminal. Otherwise the output may be a log that many can read, so
/// the code goes to a file.
async fn offer_bootstrap_code(server: &Server) -> anyhow::Result<()> {
    if std::io::stdout().is_terminal() {
        print_bootstrap_code(server).await?;
        return Ok(());
    }
    let Some((code, expires_at)) = server.people.new_bootstrap_code().await? else {
        return Ok(());
    };
    let file = server.people.write_bootstrap_code(&code)?.display();
    let origin = &server.config.public_origin;
    println!(
        "No admin is enrolled yet. Open {origin}/setup and enter the one-time code in {file} (until {expires_at:.0}). \
         The file is deleted when the code is used."
    );
    Ok(())
}

/// Prints a one-time code for the first admin. Returns `None` if operators already exist.
///
/// # Errors
/// The code cannot be generated or stored.
pub async fn print_bootstrap_code(server: &Server) -> anyhow::Result<Option<()>> {
    let code = server.people.new_bootstrap_code().await?;
    Ok(code.map(|(code, expires_at)| {
        let origin = &server.config.public_origin;
        println!("No admin is enrolled yet. Open {origin}/setup and enter this code.");
        println!("One-time code: {code}  (until {expires_at:.0})");
    }))
}

/// Waits for SIGINT or SIGTERM.
async fn stopped() {
    use tokio::signal::unix::{SignalKind, signal};
    let interrupt = tokio::signal::ctrl_c();
    match signal(SignalKind::terminate()) {
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
