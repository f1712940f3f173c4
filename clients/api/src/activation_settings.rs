//! Settings of the activations that programs without a command line of their own request.

use std::ffi::OsString;

use countersign_protocol::id::ActivationId;
use serde::Deserialize;

use crate::{config::text, error::ConfigError};

/// The reason, which custodians read.
pub const REASON_ENV: &str = "COUNTERSIGN_REASON";
/// Labels or fingerprints of keys, separated by commas.
pub const KEYS_ENV: &str = "COUNTERSIGN_KEYS";
/// Maximum duration of the lease, in seconds.
pub const LEASE_SECONDS_ENV: &str = "COUNTERSIGN_LEASE_SECONDS";
/// Maximum number of signatures under the lease.
pub const SIGNATURES_ENV: &str = "COUNTERSIGN_SIGNATURES";
/// Time limit for approvals, in seconds.
pub const APPROVAL_SECONDS_ENV: &str = "COUNTERSIGN_APPROVAL_SECONDS";
/// How long to retry while the server is unreachable, in seconds.
pub const PATIENCE_SECONDS_ENV: &str = "COUNTERSIGN_PATIENCE_SECONDS";
/// Time limit for one signature, in seconds.
pub const SIGN_SECONDS_ENV: &str = "COUNTERSIGN_SIGN_SECONDS";
/// `login` or `sign`, see [`WaitIn`].
pub const WAIT_IN_ENV: &str = "COUNTERSIGN_WAIT_IN";
/// Id of an existing activation that is used instead of requesting one.
pub const ACTIVATION_ENV: &str = "COUNTERSIGN_ACTIVATION";

/// The table `[activation]` of the configuration file, which the environment overrides.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ActivationSettings {
    /// The reason, which custodians read. Without one, the program chooses it.
    pub reason: Option<String>,
    /// Labels or fingerprints of the keys. An empty list means every key that the token may use.
    pub keys: Vec<String>,
    /// Maximum duration of the lease.
    pub lease_seconds: u32,
    /// Maximum number of signatures under the lease.
    pub signatures: u32,
    /// Time limit for approvals. Without one, the server's default applies.
    pub approval_seconds: Option<u32>,
    /// How long to retry while the server is unreachable.
    pub patience_seconds: u32,
    /// Time limit for one signature of a PKCS#11 program, including all retries.
    pub sign_seconds: u32,
    pub wait_in: WaitIn,
    /// Use this activation instead of requesting one.
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
            approval_seconds: None,
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
    /// In C_Login.
    #[default]
    Login,
    /// In the first C_SignInit of a key, for that key only. Programs then prompt for no PIN, and listing keys requests
    /// no activation.
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
        self.approval_seconds = number(APPROVAL_SECONDS_ENV)?.or(self.approval_seconds);
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
