//! The reasons why a change of a token is rejected.

use countersign_protocol::{
    limits::{MAX_TOKEN_KEYS, TOKEN_DAYS},
    text::UnreadableText,
};

use crate::{random::RandomError, store::StoreError};

#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    #[error("the token's label {0}: say what the token is for")]
    Label(UnreadableText),
    #[error(
        "the token is limited to {0} keys: name at most {MAX_TOKEN_KEYS}, or none to allow every key"
    )]
    TooManyKeys(usize),
    #[error("the name of a key {0}: name keys by their label or fingerprint")]
    Key(UnreadableText),
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
