//! Pools: how much faster several HSMs sign than one.

use std::path::Path;

use anyhow::Context;
use countersign_harness::{pcsc::Speed, pool::Pool};

use crate::{Algorithm, Figures, Measurement, countersign::through_module};

/// So many threads for each HSM: one that has answered finds the next request waiting.
const THREADS: usize = 4;

/// Signs with the EC key of so many simulated HSMs, each attached over RAMOverHTTP and with the times of a real device.
///
/// # Errors
/// Something does not work.
pub fn measure(folder: &Path, hsms: usize, seconds: u64) -> anyhow::Result<Figures> {
    let mut pool = Pool::build(folder, hsms)?;
    let measurement = Measurement {
        algorithm: Algorithm::Ecdsa,
        speed: Speed::Device,
        threads: vec![THREADS * hsms],
        seconds,
    };
    let figures = through_module(&pool.deployment, &measurement)?;
    pool.stop()?;
    figures.into_iter().next().context("no figures")
}
