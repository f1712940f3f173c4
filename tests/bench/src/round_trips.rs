//! Latency of commands to a card.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use countersign_card::Transport;
use serde::{Deserialize, Serialize};

use crate::figures::{milliseconds, percentile, rounded};

/// SELECT of the SmartCard-HSM application.
const SELECT: [u8; 17] = [
    0x00, 0xA4, 0x04, 0x00, 0x0B, 0xE8, 0x2B, 0x06, 0x01, 0x04, 0x01, 0x81, 0xC3, 0x1F, 0x02, 0x01,
    0x00,
];
/// GET CHALLENGE, which is hardly any work for a card.
const CHALLENGE: [u8; 5] = [0x00, 0x84, 0x00, 0x00, 0x08];

/// Figures for one number of commands per round trip.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct RoundTrips {
    /// Commands per round trip.
    pub together: usize,
    pub commands_per_second: f64,
    /// Median latency of a round trip.
    pub p50_ms: f64,
    /// Latency that 99 % of the round trips did not exceed.
    pub p99_ms: f64,
}

impl RoundTrips {
    /// Sends commands for this time, `together` at a time.
    ///
    /// # Errors
    /// The card refused a command, or the connection to it failed.
    pub fn measure(
        card: &mut dyn Transport,
        together: usize,
        time: Duration,
    ) -> anyhow::Result<Self> {
        let answer = card.transmit(&SELECT)?;
        ensure!(answer.ends_with(&[0x90, 0x00]), "the card refused SELECT");
        let commands = vec![CHALLENGE.to_vec(); together];
        let begun = Instant::now();
        let mut took = Vec::new();
        while begun.elapsed() < time {
            let start = Instant::now();
            let answers = card.transmit_all(&commands)?;
            took.push(start.elapsed());
            let good = answers
                .iter()
                .filter(|answer| answer.len() == 10 && answer.ends_with(&[0x90, 0x00]))
                .count();
            ensure!(
                good == together,
                "the card refused {} of {together} commands",
                together - good
            );
        }
        let measured = begun.elapsed().as_secs_f64();
        took.sort_unstable();
        let time = |percent| -> anyhow::Result<f64> {
            let found = percentile(&took, percent).context("no round trip was finished")?;
            Ok(milliseconds(found.as_secs_f64()))
        };
        Ok(Self {
            together,
            commands_per_second: rounded((took.len() * together) as f64 / measured),
            p50_ms: time(50)?,
            p99_ms: time(99)?,
        })
    }
}
