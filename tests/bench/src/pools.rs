//! Measures how much faster a pool of HSMs signs than one HSM.

use std::path::Path;

use anyhow::Context;
use countersign_harness::{pcsc::Speed, pool::Pool};

use crate::{Algorithm, Figures, Measurement, countersign::through_module};

/// Threads for each HSM, enough that the next request always waits when an HSM has answered.
const THREADS_PER_HSM: usize = 4;

/// Signs with the EC key of a pool of simulated HSMs, which are attached over RAMOverHTTP and as slow as real devices.
pub fn measure(folder: &Path, hsms: usize, seconds: u64) -> anyhow::Result<Figures> {
    let mut pool = Pool::build(folder, hsms)?;
    let measurement = Measurement {
        algorithm: Algorithm::Ecdsa,
        speed: Speed::Device,
        threads: vec![THREADS_PER_HSM * hsms],
        seconds,
    };
    let figures = through_module(&pool.deployment, &measurement)?;
    pool.stop()?;
    figures
        .into_iter()
        .next()
        .context("the load program printed no figures")
}
