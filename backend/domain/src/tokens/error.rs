//! The reasons why a change of a token is rejected.

use crate::{random::RandomError, store::StoreError};

#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    #[error("a token needs a label of 1 to 100 bytes of readable text that says what it is for")]
    Label,
    #[error("a token's lifetime must be 1 to 366 days")]
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
