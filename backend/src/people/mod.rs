//! People: the first admin, invitations, enrolment of keys, their confirmation.

mod bootstrap;
mod enrolment;
mod invitation;
mod operator;

pub use bootstrap::{bootstrap, new_bootstrap_code};
pub use enrolment::{enrol, open};
pub use invitation::{invite, revoke as revoke_invitation};
pub use operator::{confirm, revoke as revoke_key};

use countersign_protocol::cvc::{AttestationError, PkaFileError};

use crate::{code::NoRandomness, identity::IdentityError, store::StoreError};

/// Why nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum PeopleError {
    /// One-time code.
    #[error("the code is wrong, used or expired: {0}")]
    Code(&'static str),
    /// Input.
    #[error("{0}")]
    Invalid(String),
    /// State.
    #[error("{0}")]
    Conflict(String),
    /// No such thing.
    #[error("there is no such {0}")]
    NotFound(&'static str),
    /// The key's evidence.
    #[error("{0}")]
    Attestation(#[from] AttestationError),
    /// The key belongs to somebody already.
    #[error("{0}")]
    Taken(String),
    /// The enrolment statement.
    #[error("the enrolment statement is not accepted: {0}")]
    Statement(String),
    /// Database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Identity key.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// Random numbers.
    #[error(transparent)]
    Random(#[from] NoRandomness),
}

impl From<PkaFileError> for PeopleError {
    fn from(error: PkaFileError) -> Self {
        Self::Attestation(error.into())
    }
}
