//! Compares Countersign's PKCS#11 module with OpenSC's under the same load and with the same kind of card.

use std::path::PathBuf;

use anyhow::Context;
use clap::Parser;
use countersign_bench::{Algorithm, CountersignCard, Figures, Measurement, OpenScCard};
use countersign_harness::pcsc::Speed;
use serde_json::json;

#[derive(Parser)]
#[command(
    bin_name = "cargo xtask bench pkcs11",
    about = "Compare the speed of Countersign's PKCS#11 module with that of OpenSC's"
)]
struct Options {
    /// Seconds to measure each number of threads
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// Seconds to measure each number of threads with a card as slow as a real device
    #[arg(long, default_value_t = 30)]
    device_seconds: u64,
    /// Numbers of threads to measure
    #[arg(long, value_delimiter = ',', default_value = "1,2,4,8")]
    threads: Vec<usize>,
    /// Also write the figures to this file, as JSON
    #[arg(long)]
    json: Option<PathBuf>,
}

fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    let folder = tempfile::tempdir()?;
    let place = |name: &str| -> anyhow::Result<PathBuf> {
        let place = folder.path().join(name);
        std::fs::create_dir(&place)?;
        Ok(place)
    };
    eprintln!("Setting up two cards of the same kind, one for OpenSC and one for Countersign");
    let opensc = OpenScCard::set_up(&place("opensc")?)?;
    let mut ours = CountersignCard::set_up(&place("countersign")?)?;
    let mut all = Vec::new();
    for (speed, seconds) in [
        (Speed::Computer, options.seconds),
        (Speed::Device, options.device_seconds),
    ] {
        for algorithm in [Algorithm::Ecdsa, Algorithm::RsaPkcs, Algorithm::RsaPss] {
            let measurement = Measurement {
                algorithm,
                speed,
                threads: options.threads.clone(),
                seconds,
            };
            let theirs = opensc.measure(&measurement).context("OpenSC")?;
            let own = ours.measure(&measurement).context("Countersign")?;
            print(&measurement, &theirs, &own);
            all.push(json!({
                "algorithm": format!("{algorithm:?}"),
                "card": format!("{speed:?}"),
                "opensc": theirs,
                "countersign": own,
            }));
        }
    }
    ours.stop()?;
    if let Some(file) = options.json {
        std::fs::write(&file, serde_json::to_string_pretty(&all)?)
            .with_context(|| format!("cannot write {}", file.display()))?;
    }
    Ok(())
}

fn print(measurement: &Measurement, theirs: &[Figures], own: &[Figures]) {
    let speed = match measurement.speed {
        Speed::Computer => "as fast as this computer",
        Speed::Device => "as slow as a real device",
    };
    println!("\n{:?}, card {speed}", measurement.algorithm);
    println!(
        "{:>8} | {:>12} {:>9} {:>9} | {:>12} {:>9} {:>9} | {:>7}",
        "threads", "OpenSC/s", "p50 ms", "p99 ms", "ours/s", "p50 ms", "p99 ms", "ratio"
    );
    for (theirs, own) in theirs.iter().zip(own) {
        println!(
            "{:>8} | {:>12.2} {:>9.2} {:>9.2} | {:>12.2} {:>9.2} {:>9.2} | {:>6.2}x",
            theirs.threads,
            theirs.signatures_per_second,
            theirs.p50_ms,
            theirs.p99_ms,
            own.signatures_per_second,
            own.p50_ms,
            own.p99_ms,
            own.signatures_per_second / theirs.signatures_per_second
        );
    }
}
