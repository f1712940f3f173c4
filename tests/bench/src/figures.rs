//! Throughput and latency of a measurement.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::LoadError;

/// Figures for one number of threads.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub struct Figures {
    pub threads: usize,
    /// Number of signatures that were finished in the measured time.
    pub signatures: usize,
    /// Throughput of all threads together.
    pub signatures_per_second: f64,
    /// Median latency.
    pub p50_ms: f64,
    /// Latency that 99 % of the signatures did not exceed.
    pub p99_ms: f64,
    pub mean_ms: f64,
}

impl Figures {
    /// Calculates the figures from the latency of each signature and the measured time.
    pub(crate) fn of(
        threads: usize,
        mut took: Vec<Duration>,
        measured: Duration,
    ) -> Result<Self, LoadError> {
        took.sort_unstable();
        let (Some(p50), Some(p99)) = (percentile(&took, 50), percentile(&took, 99)) else {
            return Err(LoadError::Nothing);
        };
        let count = took.len() as f64;
        let sum: Duration = took.iter().sum();
        Ok(Self {
            threads,
            signatures: took.len(),
            signatures_per_second: rounded(count / measured.as_secs_f64()),
            p50_ms: milliseconds(p50.as_secs_f64()),
            p99_ms: milliseconds(p99.as_secs_f64()),
            mean_ms: milliseconds(sum.as_secs_f64() / count),
        })
    }
}

/// The smallest value that at least `percent` % of the values do not exceed.
pub(crate) fn percentile(sorted: &[Duration], percent: usize) -> Option<Duration> {
    let rank = (sorted.len() * percent).div_ceil(100);
    sorted.get(rank.checked_sub(1)?).copied()
}

pub(crate) fn milliseconds(seconds: f64) -> f64 {
    rounded(seconds * 1000.0)
}

/// Rounds to three digits after the decimal point.
pub(crate) fn rounded(number: f64) -> f64 {
    (number * 1000.0).round() / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_measured_values() {
        let took = (1..=200).rev().map(Duration::from_millis).collect();
        let figures = Figures::of(4, took, Duration::from_secs(10)).unwrap();
        assert_eq!(figures.signatures, 200);
        assert_eq!(figures.signatures_per_second, 20.0);
        assert_eq!(figures.p50_ms, 100.0);
        assert_eq!(figures.p99_ms, 198.0);
        assert_eq!(figures.mean_ms, 100.5);
    }

    #[test]
    fn figures_need_at_least_one_signature() {
        let one = vec![Duration::from_micros(1500)];
        let figures = Figures::of(1, one, Duration::from_secs(1)).unwrap();
        assert_eq!((figures.p50_ms, figures.p99_ms), (1.5, 1.5));
        assert!(matches!(
            Figures::of(1, Vec::new(), Duration::from_secs(1)),
            Err(LoadError::Nothing)
        ));
    }
}
