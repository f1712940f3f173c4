//! The configuration's `[[hsm]]` sections.

use std::path::PathBuf;

use countersign_protocol::{cvc::DeviceId, id::HsmId};
use serde::Deserialize;

use super::ConfigError;

/// A signing HSM.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "HsmFile")]
pub struct HsmConfig {
    /// What people call it.
    pub id: HsmId,
    /// How the server reaches it.
    pub attachment: Attachment,
    /// The device that must be there; without it, the first one seen is remembered.
    pub device: Option<DeviceId>,
    /// File with the SO-PIN, 16 hex digits; needed only while the HSM is initialised.
    pub so_pin_file: Option<PathBuf>,
}

/// How the server reaches an HSM.
#[derive(Clone, Debug)]
pub enum Attachment {
    /// In a PC/SC reader of this machine: its name, or how it begins.
    Reader(String),
    /// A simulated HSM's card file; only with `--demo`.
    Simulator(PathBuf),
    /// By a RAMOverHTTP client elsewhere.
    Remote {
        /// The device.
        device: DeviceId,
        /// Accepted although whoever is in between can read and change its commands.
        without_secure_channel: bool,
    },
}

/// An `[[hsm]]` section as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HsmFile {
    id: HsmId,
    reader: Option<String>,
    simulator: Option<PathBuf>,
    #[serde(default)]
    remote: bool,
    device: Option<DeviceId>,
    #[serde(default)]
    without_secure_channel: bool,
    so_pin_file: Option<PathBuf>,
}

impl TryFrom<HsmFile> for HsmConfig {
    type Error = ConfigError;

    fn try_from(file: HsmFile) -> Result<Self, ConfigError> {
        let attachment = match (file.reader, file.simulator, file.remote, &file.device) {
            (Some(reader), None, false, _) => Attachment::Reader(reader),
            (None, Some(card), false, _) => Attachment::Simulator(card),
            (None, None, true, Some(device)) => Attachment::Remote {
                device: device.clone(),
                without_secure_channel: file.without_secure_channel,
            },
            (None, None, true, None) => return Err(ConfigError::RemoteDevice(file.id)),
            _ => return Err(ConfigError::Attachment(file.id)),
        };
        if file.without_secure_channel && !matches!(attachment, Attachment::Remote { .. }) {
            return Err(ConfigError::WithoutSecureChannel(file.id));
        }
        Ok(Self {
            id: file.id,
            attachment,
            device: file.device,
            so_pin_file: file.so_pin_file,
        })
    }
}

/// The label of a PKCS#11 token is the HSM's id, and has no room for more; what is cut off could not be told apart.
pub(super) const LONGEST_HSM_ID: usize = 32;

/// Whether an HSM can be called so.
///
/// # Errors
/// [`ConfigError::HsmId`].
pub fn check_hsm_id(id: &HsmId) -> Result<(), ConfigError> {
    let text = id.as_str();
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if (1..=LONGEST_HSM_ID).contains(&text.len()) && text.chars().all(plain) {
        Ok(())
    } else {
        Err(ConfigError::HsmId(id.clone()))
    }
}
