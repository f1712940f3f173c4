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
    /// Checks that a request that names no limits is possible.
    ///
    /// # Errors
    /// [`ConfigError::Lease`]: a default is 0 or above its limit.
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
        Ok(())
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
