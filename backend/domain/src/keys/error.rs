//! The reasons why a change of a signing key is rejected.

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
    #[error("the key already has a certificate: only an admin can replace it")]
    HasCertificate,
    #[error(
        "allowing raw RSA is an act that an admin's card signs: propose the act `allow-raw-rsa` instead"
    )]
    NeedsAct,
    #[error("raw RSA can be allowed for RSA keys only, and this is an EC key")]
    RawRsaOnEcKey,
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<sqlx::Error> for KeyError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}
