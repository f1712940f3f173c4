//! The configuration's `[session]` section.

use std::time::Duration;

use serde::Deserialize;

use super::ConfigError;

/// Limits of the portal's sessions.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SessionConfig {
    /// A session that is not used for this time ends, in seconds. Default: 1800 (30 min).
    pub idle_seconds: u32,
    /// Every session ends this time after its log-in, in seconds. Default: 43200 (12 h).
    pub max_seconds: u32,
    /// A session that is used gets a new secret after this time, in seconds. Default: 900 (15 min).
    pub secret_seconds: u32,
}

/// The last use is stored once a minute, so a shorter limit could not be kept.
const SHORTEST: u32 = 120;
/// Longest duration of a session that can be configured: 7 days.
const LONGEST: u32 = 7 * 24 * 3600;

impl Default for SessionConfig {
    fn default() -> Self {
        Self {
            idle_seconds: 30 * 60,
            max_seconds: 12 * 3600,
            secret_seconds: 15 * 60,
        }
    }
}

impl SessionConfig {
    pub fn idle(&self) -> Duration {
        Duration::from_secs(self.idle_seconds.into())
    }

    pub fn longest(&self) -> Duration {
        Duration::from_secs(self.max_seconds.into())
    }

    pub fn secret(&self) -> Duration {
        Duration::from_secs(self.secret_seconds.into())
    }

    /// Checks the limits.
    ///
    /// # Errors
    /// [`ConfigError::Session`]: a value is outside of its range.
    pub fn check(&self) -> Result<(), ConfigError> {
        let values = [
            ("max_seconds", self.max_seconds, LONGEST),
            ("idle_seconds", self.idle_seconds, self.max_seconds),
            ("secret_seconds", self.secret_seconds, self.max_seconds),
        ];
        for (name, value, most) in values {
            if !(SHORTEST..=most).contains(&value) {
                return Err(ConfigError::Session {
                    name,
                    value,
                    least: SHORTEST,
                    most,
                });
            }
        }
        Ok(())
    }
}
