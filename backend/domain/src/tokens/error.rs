//! Why a change of a token was rejected.

use countersign_protocol::{limits::TOKEN_DAYS, text::UnreadableText};

use crate::{random::RandomError, store::StoreError};

#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    #[error("the token's label {0}: say what the token is for")]
    Label(UnreadableText),
    #[error("the token's lifetime must be {} to {} days", TOKEN_DAYS.start(), TOKEN_DAYS.end())]
    Lifetime,
    /// There is none, or it belongs to another operator.
    #[error("you have no such token")]
    NotFound,
    #[error(
        "another token is bound to this certificate: revoke that token first; an admin sees whose it is"
    )]
    CertificateTaken,
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Random(#[from] RandomError),
}
