//! Figures of OpenSC's module on a simulated card: as fast as the computer, and as slow as a real device.
//!
//! `cargo build --release -p countersign-simulator -p countersign-bench`, then
//! `cargo run --release -p countersign-bench --example opensc -- SECONDS`.

use anyhow::Context;
use countersign_bench::{Algorithm, Measurement, OpenScCard};
use countersign_harness::pcsc::Speed;

fn main() -> anyhow::Result<()> {
    let seconds = match std::env::args().nth(1) {
        Some(seconds) => seconds.parse().context("how many seconds?")?,
        None => 10,
    };
    let folder = tempfile::tempdir()?;
    let card = OpenScCard::make(folder.path())?;
    for speed in [Speed::Computer, Speed::Device] {
        for algorithm in [Algorithm::Ecdsa, Algorithm::RsaPkcs, Algorithm::RsaPss] {
            println!("{algorithm:?}, card as fast as a {speed:?}");
            let measurement = Measurement {
                algorithm,
                speed,
                threads: vec![1, 2, 4, 8],
                seconds,
            };
            for figures in card.measure(&measurement)? {
                println!("  {}", serde_json::to_string(&figures)?);
            }
        }
    }
    Ok(())
}
