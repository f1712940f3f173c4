//! Why a change of people was rejected.

use countersign_protocol::cvc::{AttestationError, PkaFileError};

use crate::{identity::IdentityError, random::RandomError, store::StoreError};

#[derive(Debug, thiserror::Error)]
pub enum PeopleError {
    /// A one-time code, and what to do for a new one.
    #[error("the code is wrong, used or expired: {0}")]
    Code(&'static str),
    #[error("{0}")]
    Invalid(String),
    #[error("{0}")]
    Conflict(&'static str),
    #[error("there is no such {0}")]
    NotFound(&'static str),
    #[error("{0}")]
    Attestation(#[from] AttestationError),
    /// The key or its card belongs to another operator already.
    #[error("{0}")]
    Taken(String),
    #[error("the enrolment statement is not accepted: {0}")]
    Statement(String),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Identity(#[from] IdentityError),
    #[error(transparent)]
    Random(#[from] RandomError),
}

impl From<PkaFileError> for PeopleError {
    fn from(error: PkaFileError) -> Self {
        Self::Attestation(error.into())
    }
}

/// Why a log-in was rejected.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    #[error("the log-in is not accepted: {0}")]
    Rejected(String),
    #[error("too many log-ins are under way: try again in a few minutes")]
    TooMany,
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Identity(#[from] IdentityError),
    #[error(transparent)]
    Random(#[from] RandomError),
}
