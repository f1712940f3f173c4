//! Why there is no signature.

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
    #[error("the HSM is not open yet for activation {0}: custodians still have to approve it")]
    NotOpen(ActivationId),
    #[error("the activation has ended: {0}. Request a new one")]
    Ended(EndReason),
    #[error(
        "the digest {0} is not in the manifest that the custodians approved: request a new activation with this file"
    )]
    NotInManifest(String),
    /// What the key or the approval does not allow, and what it does.
    #[error("{0}")]
    Mechanism(String),
    #[error(
        "this idempotency key was used for another digest or mechanism: use a new one for every signature"
    )]
    IdempotencyMismatch,
    /// What the request must say instead.
    #[error("{0}")]
    Invalid(String),
    #[error(
        "the server or the HSM stopped while this signature was made, so it is unknown whether it was: it counts as made; \
         request it again with a new idempotency key"
    )]
    UnknownOutcome,
    #[error(
        "the HSM made a signature that does not verify: it may be damaged; do not use it before it was checked"
    )]
    BadSignature,
}

impl From<sqlx::Error> for SigningError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}
