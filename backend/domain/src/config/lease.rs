//! The configuration's `[lease]` section.

use countersign_protocol::lease::LeaseLimits;
use serde::Deserialize;

use super::ConfigError;

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
    /// How long an activation may wait without a new approval while others wait for the same HSM, in seconds. Default: 900
    /// (15 min).
    pub turn_seconds: u32,
    /// Largest number of requests of one person, or of one token, that have not opened. Default: 20.
    pub max_waiting_requests: u32,
    /// Largest total size of those requests with their lists of files, in bytes. Default: 33554432 (32 MiB).
    pub max_waiting_bytes: u64,
}

impl Default for LeaseConfig {
    fn default() -> Self {
        Self {
            max_seconds: 12 * 3600,
            max_signatures: 100_000,
            default_seconds: 3600,
            approval_seconds: 24 * 3600,
            max_approval_seconds: 7 * 24 * 3600,
            turn_seconds: 15 * 60,
            max_waiting_requests: 20,
            max_waiting_bytes: 32 * 1024 * 1024,
        }
    }
}

impl LeaseConfig {
    /// Checks that a request that names no limits is possible.
    ///
    /// # Errors
    /// [`ConfigError::Lease`]: a default is 0 or above its limit. [`ConfigError::LeaseZero`]: another value is 0.
    pub fn check_defaults(&self) -> Result<(), ConfigError> {
        let pairs = [
            (
                "default_seconds",
                self.default_seconds,
                "max_seconds",
                self.max_seconds,
            ),
            (
                "approval_seconds",
                self.approval_seconds,
                "max_approval_seconds",
                self.max_approval_seconds,
            ),
        ];
        for (name, value, limit_name, limit) in pairs {
            if value == 0 || value > limit {
                return Err(ConfigError::Lease {
                    name,
                    value,
                    limit_name,
                    limit,
                });
            }
        }
        let positive = [
            ("turn_seconds", u64::from(self.turn_seconds)),
            ("max_waiting_requests", u64::from(self.max_waiting_requests)),
            ("max_waiting_bytes", self.max_waiting_bytes),
        ];
        match positive.into_iter().find(|(_, value)| *value == 0) {
            Some((name, _)) => Err(ConfigError::LeaseZero(name)),
            None => Ok(()),
        }
    }

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
