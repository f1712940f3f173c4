//! The reasons why an HSM does not carry out a command.

use countersign_card::{CardError, InvalidOptions};
use countersign_protocol::id::HsmId;

use super::Refusal;

#[derive(Debug, thiserror::Error)]
pub enum HsmError {
    #[error("HSM {0} does not exist: `countersign keys` lists the HSMs that have keys")]
    NotFound(HsmId),
    /// The HSM is not connected or was rejected, so the command never reached the device.
    #[error("{0}")]
    Unavailable(String),
    /// The outcome of the command is unknown.
    #[error(
        "the HSM's thread stopped during a command, so the outcome is unknown: check the HSM before you try again"
    )]
    Stopped,
    #[error("the HSM is locked: request an activation")]
    NotOpen,
    #[error("the HSM is in use: try again later, or lock it first")]
    InUse,
    #[error(
        "HSM {0} holds keys, and initialising it destroys all of them: repeat the name {0} to confirm"
    )]
    EraseNotConfirmed(HsmId),
    /// The SO-PIN is missing, or the device refused it.
    #[error("{0}")]
    SoPin(String),
    #[error(
        "no HSM holds a key with the label or fingerprint `{0}`: `countersign keys` lists the keys"
    )]
    NoSuchKey(String),
    #[error("several keys have the label `{0}`: name the HSM as well, or use the fingerprint")]
    AmbiguousKey(String),
    /// The HSM with the key was attached between two searches.
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
    /// Whether another HSM of the pool may carry out the command instead.
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
