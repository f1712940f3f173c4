//! The configuration's `[[hsm]]` sections.

use std::path::PathBuf;

use countersign_protocol::{cvc::DeviceId, id::HsmId};
use serde::Deserialize;

use super::ConfigError;

/// A signing HSM, as an `[[hsm]]` section configures it.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "HsmFile")]
pub struct HsmConfig {
    /// Name that people use: 1 to 32 lowercase letters, digits and hyphens.
    pub id: HsmId,
    /// Taken from exactly one of `reader`, `remote = true` and `simulator`.
    pub attachment: Attachment,
    /// Identifier of the device: the CHR of its device certificate. Another device is not used. It is required with `remote`;
    /// otherwise the server remembers the first device that it sees, and expects that one from then on.
    pub device: Option<DeviceId>,
}

/// How the server reaches an HSM.
#[derive(Clone, Debug)]
pub enum Attachment {
    /// `reader`: a PC/SC reader of this machine. The first reader whose name begins with this text is used.
    Reader(String),
    /// `simulator`: card file of a simulated HSM. It needs `--demo` and a build with the simulator.
    Simulator(PathBuf),
    /// `remote = true`: a RAMOverHTTP client attaches the device from another machine.
    Remote {
        device: DeviceId,
        /// Whether the device is accepted without a secure channel. The client's machine and everything between it and the
        /// device can then read and change commands. Default: false.
        without_secure_channel: bool,
    },
}

/// An `[[hsm]]` section as it is in the file. [`HsmConfig`] explains the keys.
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
        })
    }
}

pub(super) const LONGEST_HSM_ID: usize = countersign_protocol::limits::HSM_NAME_BYTES;

/// Checks that an HSM id has 1 to `LONGEST_HSM_ID` lowercase letters, digits and hyphens.
pub fn check_hsm_id(id: &HsmId) -> Result<(), ConfigError> {
    let text = id.as_str();
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if (1..=LONGEST_HSM_ID).contains(&text.len()) && text.chars().all(plain) {
        Ok(())
    } else {
        Err(ConfigError::HsmId(id.clone()))
    }
}
