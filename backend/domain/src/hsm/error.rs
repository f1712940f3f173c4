//! Why an HSM did not carry out what it was asked to.

use countersign_card::{CardError, InvalidOptions};
use countersign_protocol::id::HsmId;

use super::Refusal;

#[derive(Debug, thiserror::Error)]
pub enum HsmError {
    #[error("there is no HSM with the name `{0}`")]
    NotFound(HsmId),
    /// Not connected, or rejected: the command never reached the device.
    #[error("{0}")]
    Unavailable(String),
    /// The outcome of the command is unknown.
    #[error("the HSM's thread stopped while a command was under way")]
    Stopped,
    #[error("the HSM is locked: request an activation")]
    NotOpen,
    #[error("the HSM is in use: wait, or lock it first")]
    InUse,
    #[error(
        "there are keys on this HSM, and all of them will be gone: repeat its name, {0}, to confirm"
    )]
    EraseNotConfirmed(HsmId),
    /// Where the SO-PIN comes from, or what the device said to it.
    #[error("{0}")]
    SoPin(String),
    #[error(
        "there is no key with the label or fingerprint `{0}`: `countersign keys` lists the keys"
    )]
    NoSuchKey(String),
    #[error("several keys have the label `{0}`: choose one by its HSM or its fingerprint")]
    AmbiguousKey(String),
    /// The key was attached between two looks at the HSMs.
    #[error("the HSM was attached just now: try again")]
    AttachedJustNow,
    #[error(transparent)]
    Quorum(#[from] InvalidOptions),
    #[error("the HSM refused the command: {0}")]
    Card(#[from] CardError),
}

impl From<Refusal> for HsmError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Unavailable(why) => Self::Unavailable(why),
            Refusal::NotOpen => Self::NotOpen,
            Refusal::InUse => Self::InUse,
            Refusal::Card(error) => Self::Card(error),
        }
    }
}

impl HsmError {
    /// Whether another HSM of the pool may carry out what this one did not.
    pub fn is_retryable_on_another_hsm(&self) -> bool {
        match self {
            Self::NotOpen | Self::Unavailable(_) | Self::Stopped => true,
            Self::Card(error) => {
                error.is_connection_lost()
                    || matches!(
                        error,
                        CardError::Malformed { .. } | CardError::NotAuthenticated(_)
                    )
            }
            _ => false,
        }
    }
}
