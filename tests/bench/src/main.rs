//! `countersign-pkcs11-load` measures throughput and latency of a PKCS#11 module.

use std::{io::Write, num::NonZeroUsize, path::PathBuf, time::Duration};

use clap::Parser;
use countersign_bench::{Algorithm, Load, Period};

#[derive(Parser)]
#[command(
    version,
    about = "Sign random digests with a PKCS#11 module and print a line of JSON for each number of threads"
)]
struct Cli {
    /// PKCS#11 module
    #[arg(long)]
    module: PathBuf,
    /// Label of the token
    #[arg(long)]
    token_label: String,
    /// User PIN [default: log in through the token's protected authentication path]
    #[arg(long)]
    pin: Option<String>,
    /// Label of the key
    #[arg(long)]
    key_label: String,
    /// Signature mechanism
    #[arg(long, value_enum)]
    mechanism: Algorithm,
    /// Numbers of threads to measure one after the other; each thread has a session
    #[arg(long, value_delimiter = ',', default_value = "1")]
    threads: Vec<NonZeroUsize>,
    /// Seconds to measure each number of threads
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    seconds: u64,
    /// Seconds to sign before each measurement
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(0..=86_400))]
    warm_up: u64,
}

fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    let period = Period {
        warm_up: Duration::from_secs(cli.warm_up),
        measured: Duration::from_secs(cli.seconds),
    };
    let load = Load::prepare(
        &cli.module,
        &cli.token_label,
        cli.pin,
        &cli.key_label,
        cli.mechanism,
    )?;
    let mut output = std::io::stdout();
    for threads in cli.threads {
        let figures = load.run(threads.get(), period)?;
        writeln!(output, "{}", serde_json::to_string(&figures)?)?;
    }
    Ok(())
}
