//! The configuration's `[lease]` section.

use countersign_protocol::lease::LeaseLimits;
use serde::Deserialize;

/// Limits and defaults of leases. A request beyond a limit is rejected.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LeaseConfig {
    /// Longest lease that can be requested, in seconds. Default: 43200 (12 h).
    pub max_seconds: u32,
    /// Largest number of signatures that can be requested for one lease. Default: 100000.
    pub max_signatures: u32,
    /// Length of the lease if the request names none, in seconds. Default: 3600 (1 h).
    pub default_seconds: u32,
    /// Time that custodians have to approve if the request names none, in seconds. Default: 86400 (24 h).
    pub approval_seconds: u32,
    /// Longest time that a request can give custodians to approve, in seconds. Default: 604800 (7 days).
    pub max_approval_seconds: u32,
}

impl Default for LeaseConfig {
    fn default() -> Self {
        Self {
            max_seconds: 12 * 3600,
            max_signatures: 100_000,
            default_seconds: 3600,
            approval_seconds: 24 * 3600,
            max_approval_seconds: 7 * 24 * 3600,
        }
    }
}

impl LeaseConfig {
    /// Checks requested limits.
    ///
    /// # Errors
    /// A text for the requester, if a limit is 0 or above this configuration's.
    pub fn check(&self, limits: LeaseLimits) -> Result<(), String> {
        if limits.seconds == 0 || limits.seconds > self.max_seconds {
            return Err(format!(
                "a lease of {} s is not possible: this server allows 1 to {} s",
                limits.seconds, self.max_seconds
            ));
        }
        if limits.signatures == 0 || limits.signatures > self.max_signatures {
            return Err(format!(
                "a lease of {} signatures is not possible: this server allows 1 to {}",
                limits.signatures, self.max_signatures
            ));
        }
        Ok(())
    }
}
