//! Why a device was not accepted, declined or removed.

use countersign_protocol::{cvc::DeviceId, id::HsmId};

use crate::{config::ConfigError, hsm::HsmError, store::StoreError};

#[derive(Debug, thiserror::Error)]
pub enum DeviceError {
    #[error(transparent)]
    Name(#[from] ConfigError),
    #[error("there is an HSM called {0} already: choose another name")]
    NameTaken(HsmId),
    #[error(
        "the name {hsm} belongs to the device {device}, in the audit log too: choose another name"
    )]
    NameOfAnotherDevice { hsm: HsmId, device: DeviceId },
    #[error("the device {0} is no longer waiting: connect it again")]
    NotWaiting(DeviceId),
    #[error(
        "HSM {0} is in the server's configuration: remove its [[hsm]] section there, and restart the server"
    )]
    Configured(HsmId),
    #[error("the accepted HSM could not be attached: {0}")]
    NotAttached(String),
    #[error(transparent)]
    Hsm(#[from] HsmError),
    #[error(transparent)]
    Store(#[from] StoreError),
}
