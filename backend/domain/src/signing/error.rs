//! The reasons why a request for a signature fails.

use countersign_protocol::{activation::EndReason, id::ActivationId};

use crate::{activation::ActivationError, hsm::HsmError, store::StoreError};

#[derive(Debug, thiserror::Error)]
pub enum SigningError {
    #[error(transparent)]
    Hsm(#[from] HsmError),
    #[error(transparent)]
    Activation(#[from] ActivationError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("activation {0} is not open yet: custodians must approve it first")]
    NotOpen(ActivationId),
    #[error("the activation has ended ({0}): request a new one")]
    Ended(EndReason),
    #[error(
        "the digest {0} is not in the manifest that the custodians approved: request a new activation with this file"
    )]
    NotInManifest(String),
    /// The key or the approval does not allow the mechanism. The text names those that are possible.
    #[error("{0}")]
    Mechanism(String),
    #[error(
        "this idempotency key was already used for another digest, mechanism or key: use a new one for every signature"
    )]
    IdempotencyMismatch,
    /// The text says what is wrong and what is expected.
    #[error("{0}")]
    Invalid(String),
    #[error(
        "the server or the HSM stopped during this signature, so it counts as created: request it again with a new \
         idempotency key"
    )]
    UnknownOutcome,
    #[error(
        "the HSM returned an invalid signature and may be damaged: check the device before you use it again"
    )]
    BadSignature,
}

impl From<sqlx::Error> for SigningError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}
