//! Why a change of a signing key was rejected.

use super::certificate::CertificateError;
use crate::{hsm::HsmError, store::StoreError};

#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    #[error(transparent)]
    Hsm(#[from] HsmError),
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    #[error("only an admin can add a certificate that another key signed")]
    NotSelfSigned,
    #[error("the key has a certificate already: only an admin can replace it")]
    HasCertificate,
    #[error("raw RSA is for RSA keys, and this is an EC key")]
    RawRsaOnEcKey,
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<sqlx::Error> for KeyError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}
