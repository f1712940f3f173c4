//! The configuration's `[lease]` section.

use countersign_protocol::lease::LeaseLimits;
use serde::Deserialize;

/// Largest and usual bounds of leases.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LeaseConfig {
    /// Longest lease, in seconds.
    pub max_seconds: u32,
    /// Most signatures.
    pub max_signatures: u32,
    /// Used where a request names none, in seconds.
    pub default_seconds: u32,
    /// How long custodians may take where a request does not say, in seconds.
    pub collect_seconds: u32,
    /// Longest time for that, in seconds.
    pub max_collect_seconds: u32,
}

impl Default for LeaseConfig {
    fn default() -> Self {
        Self {
            max_seconds: 12 * 3600,
            max_signatures: 100_000,
            default_seconds: 3600,
            collect_seconds: 24 * 3600,
            max_collect_seconds: 7 * 24 * 3600,
        }
    }
}

impl LeaseConfig {
    /// Whether limits are within bounds.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub fn check(&self, limits: LeaseLimits) -> Result<(), String> {
        if limits.seconds == 0 || limits.seconds > self.max_seconds {
            return Err(format!(
                "a lease may last 1 to {} seconds here",
                self.max_seconds
            ));
        }
        if limits.signatures == 0 || limits.signatures > self.max_signatures {
            return Err(format!(
                "a lease may have 1 to {} signatures here",
                self.max_signatures
            ));
        }
        Ok(())
    }
}
