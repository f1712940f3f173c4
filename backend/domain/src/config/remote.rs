//! The configuration's `[remote]` section.

use std::path::PathBuf;

use serde::Deserialize;

/// Who may attach an HSM from afar.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RemoteConfig {
    /// Genuine devices that no `[[hsm]]` section names.
    pub unknown: UnknownDevices,
    /// File with a token; clients then have to use the address `/rt/hsm/TOKEN`.
    pub token_file: Option<PathBuf>,
}

/// What becomes of a genuine device that nobody has named yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UnknownDevices {
    /// It waits until an admin accepts it.
    #[default]
    Wait,
    /// It is turned away.
    Refuse,
}
