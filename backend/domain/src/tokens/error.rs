//! The reasons why a change of a token is rejected.

use countersign_protocol::{limits::TOKEN_DAYS, text::UnreadableText};

use crate::{random::RandomError, store::StoreError};

#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    #[error("the token's label {0}: say what the token is for")]
    Label(UnreadableText),
    #[error("the token's lifetime must be {} to {} days", TOKEN_DAYS.start(), TOKEN_DAYS.end())]
    Lifetime,
    /// The token does not exist, or belongs to another operator. The text does not tell which.
    #[error("you do not have a token with this id")]
    NotFound,
    #[error(
        "the certificate is already bound to another token: revoke that token first, or ask an admin whose token it is"
    )]
    CertificateTaken,
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Random(#[from] RandomError),
}
