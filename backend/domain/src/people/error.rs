//! The reasons why a change of people, or a log-in, is rejected.

use std::time::Duration;

use countersign_protocol::{
    Timestamp,
    cvc::{AttestationError, PkaFileError},
};

use crate::{identity::IdentityError, random::RandomError, store::StoreError};

#[derive(Debug, thiserror::Error)]
pub enum PeopleError {
    #[error(transparent)]
    Code(#[from] CodeError),
    #[error("{0}")]
    Invalid(String),
    #[error("{0}")]
    Conflict(&'static str),
    /// The kind and id of the object.
    #[error("{0} does not exist: check its id")]
    NotFound(String),
    #[error("{0}")]
    Attestation(#[from] AttestationError),
    /// The key or its card already belongs to another operator.
    #[error("{0}")]
    Taken(String),
    #[error("the enrolment statement was rejected: {0}")]
    Statement(String),
    /// The time after which the next enrolment is tried.
    #[error(
        "too many enrolments with this invitation were rejected: ask an admin what is wrong with the key, and try again in {} s",
        .0.as_secs() + 1
    )]
    TooOften(Duration),
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

/// The reasons why a one-time code is rejected. Only a caller that knows a code which this server made learns more than that the
/// code is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CodeError {
    /// The server deletes a bootstrap code when it is used or replaced, so it cannot tell these cases apart.
    #[error(
        "the code is wrong, or it was already used or replaced: check it, or run `countersign-server bootstrap-code` for a new one"
    )]
    UnknownBootstrap,
    #[error(
        "the code expired at {at}: run `countersign-server bootstrap-code` for a new one",
        at = shown(.0)
    )]
    ExpiredBootstrap(Timestamp),
    #[error(
        "the code is wrong: copy the whole link of your invitation again, or ask an admin for a new invitation"
    )]
    UnknownInvitation,
    #[error("the invitation was already used to enrol a key: ask an admin for a new invitation")]
    UsedInvitation,
    #[error("the invitation expired at {at}: ask an admin for a new invitation", at = shown(.0))]
    ExpiredInvitation(Timestamp),
    #[error("the invitation was revoked: ask an admin for a new invitation")]
    RevokedInvitation,
}

fn shown(at: &Timestamp) -> impl std::fmt::Display {
    at.strftime("%Y-%m-%d %H:%M:%S UTC")
}

#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    #[error("{0}")]
    Rejected(String),
    /// The time after which the next log-in is possible.
    #[error("this key has logged in too often: try again in {} s", .0.as_secs() + 1)]
    TooOften(Duration),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Identity(#[from] IdentityError),
    #[error(transparent)]
    Random(#[from] RandomError),
}
