//! Compares RAMOverHTTP on loopback with PC/SC: the same commands to the same card. Then measures pools of remote HSMs.

use std::{
    net::SocketAddr,
    path::Path,
    process::Command,
    sync::{Arc, mpsc},
    time::Duration,
};

use anyhow::{Context, ensure};
use axum::Router;
use clap::Parser;
use countersign_bench::{RoundTrips, pools};
use countersign_card::pcsc::PcscTransport;
use countersign_harness::{
    cards,
    pcsc::{Reach, Readers, Speed},
    program::{Program, built},
};
use countersign_server::{
    config::{RemoteConfig, TrustedProxies},
    http::{ConnectionLimits, Connections, RamEndpoint},
    remote::{RamSession, Remote, RemoteTransport},
};
use countersign_simulator::Profile;

#[derive(Parser)]
#[command(
    bin_name = "cargo xtask bench remote",
    about = "Compare the speed of commands to a card over PC/SC and over RAMOverHTTP, then measure pools of remote HSMs"
)]
struct Options {
    /// Seconds to measure each connection
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// Numbers of commands per round trip to measure
    #[arg(long, value_delimiter = ',', default_value = "1,10")]
    together: Vec<usize>,
    /// Sizes of pools to measure
    #[arg(long, value_delimiter = ',', default_value = "1,2,4,8")]
    pools: Vec<usize>,
    /// Seconds to measure each pool
    #[arg(long, default_value_t = 20)]
    pool_seconds: u64,
    /// Measure only this PC/SC reader and print a line of JSON for each number; the program starts itself with this option
    #[arg(long, hide = true)]
    reader: Option<String>,
}

fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    let time = Duration::from_secs(options.seconds);
    if let Some(reader) = &options.reader {
        let mut card = PcscTransport::connect(reader)?;
        for together in &options.together {
            let trips = RoundTrips::measure(&mut card, *together, time)?;
            println!("{}", serde_json::to_string(&trips)?);
        }
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    let hsm = cards::signing_hsm(folder.path(), Profile::VENDOR)?;
    let other = cards::personal(folder.path(), "Other")?;
    let readers = Readers::start_with(
        &folder.path().join("readers"),
        [&hsm, &other],
        Reach::Private,
        Speed::Computer,
    )?;
    let local = over_pcsc(&options, &readers).context("over PC/SC")?;
    let remote = over_http(&options, &readers, folder.path()).context("over RAMOverHTTP")?;
    readers.stop()?;
    print(&local, &remote);
    print_pools(&options, folder.path())
}

fn print_pools(options: &Options, folder: &Path) -> anyhow::Result<()> {
    println!(
        "\n{:>8} | {:>8} {:>12} {:>9} {:>9} | {:>9}",
        "HSMs", "threads", "signatures/s", "p50 ms", "p99 ms", "of linear"
    );
    let mut one = None;
    for hsms in &options.pools {
        let place = folder.join(format!("pool-{hsms}"));
        std::fs::create_dir(&place)?;
        let figures = pools::measure(&place, *hsms, options.pool_seconds)
            .with_context(|| format!("a pool of {hsms} HSMs"))?;
        let each = figures.signatures_per_second / *hsms as f64;
        let one = *one.get_or_insert(each);
        println!(
            "{hsms:>8} | {:>8} {:>12.2} {:>9.1} {:>9.1} | {:>8.1}%",
            figures.threads,
            figures.signatures_per_second,
            figures.p50_ms,
            figures.p99_ms,
            100.0 * each / one
        );
    }
    Ok(())
}

/// Starts this program again, because the environment of the new process selects the private PC/SC service.
fn over_pcsc(options: &Options, readers: &Readers) -> anyhow::Result<Vec<RoundTrips>> {
    let together: Vec<_> = options.together.iter().map(usize::to_string).collect();
    let mut command = Command::new(std::env::current_exe()?);
    command
        .args(["--seconds", &options.seconds.to_string()])
        .args(["--together", &together.join(",")])
        .args(["--reader", &readers.name(0)]);
    readers.show_to(&mut command);
    let output = command.output()?;
    ensure!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout)?
        .lines()
        .map(|line| Ok(serde_json::from_str(line)?))
        .collect()
}

fn over_http(
    options: &Options,
    readers: &Readers,
    folder: &Path,
) -> anyhow::Result<Vec<RoundTrips>> {
    let runtime = tokio::runtime::Runtime::new()?;
    let (sender, arrivals) = mpsc::channel::<Arc<RamSession>>();
    let server = runtime.block_on(serve(sender))?;
    let mut connect = Command::new(built("countersign-helper")?);
    connect
        .arg("connect")
        .arg(format!("http://{server}/rt/hsm"))
        .args(["--reader", &readers.name(0)]);
    readers.show_to(&mut connect);
    let _client = Program::start("countersign-helper", connect, &folder.join("connect.log"))?;
    let session = arrivals
        .recv_timeout(Duration::from_secs(30))
        .context("the helper did not connect within 30 s")?;
    let mut card = RemoteTransport::new(session);
    let time = Duration::from_secs(options.seconds);
    options
        .together
        .iter()
        .map(|together| RoundTrips::measure(&mut card, *together, time))
        .collect()
}

async fn serve(arrivals: mpsc::Sender<Arc<RamSession>>) -> anyhow::Result<SocketAddr> {
    let remote = Remote::open(&RemoteConfig::default())?;
    let endpoint = RamEndpoint::new(remote, false, move |session| {
        // The limits for strangers do not apply.
        session.mark_verified();
        // Sessions that connect after the measurement are ignored.
        let _ = arrivals.send(session.clone());
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let router: Router = endpoint.routes();
    let limits = ConnectionLimits::of_this_process();
    let connections = Connections::new(router, TrustedProxies::default(), limits);
    tokio::spawn(connections.serve(listener, std::future::pending()));
    Ok(address)
}

fn print(local: &[RoundTrips], remote: &[RoundTrips]) {
    println!(
        "{:>8} | {:>12} {:>9} {:>9} | {:>12} {:>9} {:>9} | {:>12}",
        "together", "PC/SC cmd/s", "p50 ms", "p99 ms", "HTTP cmd/s", "p50 ms", "p99 ms", "added ms"
    );
    for (local, remote) in local.iter().zip(remote) {
        println!(
            "{:>8} | {:>12.0} {:>9.3} {:>9.3} | {:>12.0} {:>9.3} {:>9.3} | {:>12.3}",
            local.together,
            local.commands_per_second,
            local.p50_ms,
            local.p99_ms,
            remote.commands_per_second,
            remote.p50_ms,
            remote.p99_ms,
            remote.p50_ms - local.p50_ms
        );
    }
}
