//! `countersign-pkcs11-load`: how many signatures a PKCS#11 module makes a second, and how long each takes.

use std::{io::Write, num::NonZeroUsize, path::PathBuf, time::Duration};

use clap::Parser;
use countersign_bench::{Algorithm, Load, Period};

#[derive(Parser)]
#[command(
    version,
    about = "Signs random digests with a PKCS#11 module, and prints a line of JSON for each number of threads."
)]
struct Cli {
    /// The module.
    #[arg(long)]
    module: PathBuf,
    /// Label of the token.
    #[arg(long)]
    token_label: String,
    /// User PIN. Without one the token's protected authentication path logs in.
    #[arg(long)]
    pin: Option<String>,
    /// Label of the key.
    #[arg(long)]
    key_label: String,
    /// How it signs.
    #[arg(long, value_enum)]
    mechanism: Algorithm,
    /// Numbers of threads, one after the other; each thread has a session.
    #[arg(long, value_delimiter = ',', default_value = "1")]
    threads: Vec<NonZeroUsize>,
    /// How long each number of threads is measured.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    seconds: u64,
    /// How long each number of threads signs before that.
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
