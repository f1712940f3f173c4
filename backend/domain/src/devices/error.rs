//! The reasons why a device cannot be accepted, declined or removed.

use countersign_protocol::{cvc::DeviceId, id::HsmId};

use crate::{config::ConfigError, hsm::HsmError, store::StoreError};

#[derive(Debug, thiserror::Error)]
pub enum DeviceError {
    #[error(transparent)]
    Name(#[from] ConfigError),
    #[error("an HSM named {0} already exists: choose another name")]
    NameTaken(HsmId),
    #[error(
        "the name {hsm} belongs to the device {device}, also in the audit log: choose another name"
    )]
    NameOfAnotherDevice { hsm: HsmId, device: DeviceId },
    #[error("the device {0} is not waiting for acceptance: connect it again")]
    NotWaiting(DeviceId),
    #[error(
        "HSM {0} belongs to the server's configuration: remove its [[hsm]] section there and restart the server"
    )]
    Configured(HsmId),
    #[error("HSM {0} is not in quarantine: check its name")]
    NotQuarantined(HsmId),
    #[error("the device was accepted, but could not be attached: {0}")]
    NotAttached(String),
    #[error(transparent)]
    Hsm(#[from] HsmError),
    #[error(transparent)]
    Store(#[from] StoreError),
}
