//! The configuration's `[remote]` section.

use std::path::PathBuf;

use serde::Deserialize;

/// Which devices and clients may attach remotely.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RemoteConfig {
    /// What happens to a genuine device that neither an `[[hsm]]` section nor an admin has named. Default: "wait".
    pub unknown: UnknownDevices,
    /// File with a token of at least 16 letters, digits, `-` or `_`. If it is set, clients must use the address
    /// `/rt/hsm/TOKEN`; without it they use `/rt/hsm`. It is read when the server starts. Default: none.
    pub token_file: Option<PathBuf>,
}

/// What happens to a genuine device that neither the configuration nor an admin has named.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UnknownDevices {
    /// The device stays connected and waits until an admin accepts or declines it.
    #[default]
    Wait,
    /// The device is rejected.
    Reject,
}
