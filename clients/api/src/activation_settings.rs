//! What an activation is asked for with, where a program cannot ask its user.

use std::ffi::OsString;

use countersign_protocol::id::ActivationId;
use serde::Deserialize;

use crate::{config::text, error::ConfigError};

/// Why; custodians read it.
pub const REASON_ENV: &str = "COUNTERSIGN_REASON";
/// Labels or fingerprints of keys, separated by commas.
pub const KEYS_ENV: &str = "COUNTERSIGN_KEYS";
/// How long the lease lasts, in seconds.
pub const LEASE_SECONDS_ENV: &str = "COUNTERSIGN_LEASE_SECONDS";
/// Signatures under the lease.
pub const SIGNATURES_ENV: &str = "COUNTERSIGN_SIGNATURES";
/// How long custodians may take, in seconds.
pub const COLLECT_SECONDS_ENV: &str = "COUNTERSIGN_COLLECT_SECONDS";
/// How long a server that cannot be reached is waited for, in seconds.
pub const PATIENCE_SECONDS_ENV: &str = "COUNTERSIGN_PATIENCE_SECONDS";
/// How long one signature may take, in seconds.
pub const SIGN_SECONDS_ENV: &str = "COUNTERSIGN_SIGN_SECONDS";
/// `login` or `sign`.
pub const WAIT_IN_ENV: &str = "COUNTERSIGN_WAIT_IN";
/// Id of the one activation to be used.
pub const ACTIVATION_ENV: &str = "COUNTERSIGN_ACTIVATION";

/// The table `[activation]` of the configuration; the environment overrides it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ActivationSettings {
    /// Why; `None`: the program makes one up.
    pub reason: Option<String>,
    /// Labels or fingerprints of the keys; empty: every key that the token may use.
    pub keys: Vec<String>,
    /// How long the lease lasts at most, in seconds.
    pub lease_seconds: u32,
    /// Signatures under the lease.
    pub signatures: u32,
    /// How long custodians may take, in seconds; `None`: the server's default.
    pub collect_seconds: Option<u32>,
    /// How long a server that cannot be reached is waited for, in seconds.
    pub patience_seconds: u32,
    /// How long one signature of a PKCS#11 program may take, in seconds, with every try.
    pub sign_seconds: u32,
    /// When PKCS#11 programs wait for the quorum.
    pub wait_in: WaitIn,
    /// Use this activation, and ask for none.
    #[serde(skip)]
    pub activation: Option<ActivationId>,
}

impl Default for ActivationSettings {
    fn default() -> Self {
        Self {
            reason: None,
            keys: Vec::new(),
            lease_seconds: 3600,
            signatures: 100,
            collect_seconds: None,
            patience_seconds: 300,
            sign_seconds: 180,
            wait_in: WaitIn::Login,
            activation: None,
        }
    }
}

/// When PKCS#11 programs wait for the quorum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WaitIn {
    /// In C_Login, as such programs expect.
    #[default]
    Login,
    /// In the first C_SignInit, for that key only: nothing asks for a PIN then, and listing keys asks nobody.
    Sign,
}

impl ActivationSettings {
    pub(crate) fn with_environment(
        mut self,
        environment: &dyn Fn(&str) -> Option<OsString>,
    ) -> Result<Self, ConfigError> {
        let number = |variable| -> Result<Option<u32>, ConfigError> {
            text(environment, variable)?
                .map(|value| value.parse())
                .transpose()
                .map_err(|_| ConfigError::Environment {
                    variable,
                    why: "it must be a whole number",
                })
        };
        self.reason = text(environment, REASON_ENV)?.or(self.reason);
        if let Some(keys) = text(environment, KEYS_ENV)? {
            let keys = keys.split(',').map(|key| key.trim().to_owned());
            self.keys = keys.filter(|key| !key.is_empty()).collect();
        }
        self.lease_seconds = number(LEASE_SECONDS_ENV)?.unwrap_or(self.lease_seconds);
        self.signatures = number(SIGNATURES_ENV)?.unwrap_or(self.signatures);
        self.collect_seconds = number(COLLECT_SECONDS_ENV)?.or(self.collect_seconds);
        self.patience_seconds = number(PATIENCE_SECONDS_ENV)?.unwrap_or(self.patience_seconds);
        self.sign_seconds = number(SIGN_SECONDS_ENV)?.unwrap_or(self.sign_seconds);
        if self.sign_seconds == 0 {
            return Err(ConfigError::NoTimeToSign);
        }
        self.wait_in = match text(environment, WAIT_IN_ENV)?.as_deref() {
            None => self.wait_in,
            Some("login") => WaitIn::Login,
            Some("sign") => WaitIn::Sign,
            Some(_) => {
                return Err(ConfigError::Environment {
                    variable: WAIT_IN_ENV,
                    why: "it must be `login` or `sign`",
                });
            }
        };
        self.activation = text(environment, ACTIVATION_ENV)?.map(ActivationId::new);
        Ok(self)
    }
}
