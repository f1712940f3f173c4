//! Why a change of a token was rejected.

use crate::{random::RandomError, store::StoreError};

#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    #[error("say what the token is for, in up to 100 bytes of readable text")]
    Label,
    #[error("a token lives 1 to 366 days")]
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
