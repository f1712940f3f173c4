//! X.509 certificates of signing keys (RFC 5280).

use countersign_protocol::{
    Timestamp,
    cvc::{HashAlgorithm, PublicKey},
    encoding::Base64,
    hsm::{CertificatePlace, CertificateView},
    mechanism::{Mechanism, Scheme},
};
use x509_cert::{
    Certificate,
    der::{Decode, Encode, oid::ObjectIdentifier},
};

/// Longest certificate, in bytes.
const LONGEST: usize = 16 * 1024;

/// Why a certificate is not taken.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// Not DER.
    #[error("this is no X.509 certificate in DER: {0}")]
    Malformed(String),
    /// Too long.
    #[error("the certificate has {0} bytes, {LONGEST} at most")]
    TooLong(usize),
    /// Of another key.
    #[error("the certificate is for another key: choose the one that was issued for this key")]
    OtherKey,
}

fn parse(der: &[u8]) -> Result<Certificate, CertificateError> {
    if der.len() > LONGEST {
        return Err(CertificateError::TooLong(der.len()));
    }
    Certificate::from_der(der).map_err(|error| CertificateError::Malformed(error.to_string()))
}

/// A certificate as people see it.
///
/// # Errors
/// [`CertificateError`].
pub fn view(der: &[u8], place: CertificatePlace) -> Result<CertificateView, CertificateError> {
    let certificate = parse(der)?;
    let certificate = certificate.tbs_certificate();
    let seconds = certificate
        .validity()
        .not_after
        .to_unix_duration()
        .as_secs();
    Ok(CertificateView {
        der: Base64(der.to_vec()),
        subject: certificate.subject().to_string(),
        issuer: certificate.issuer().to_string(),
        not_after: i64::try_from(seconds)
            .ok()
            .and_then(|seconds| Timestamp::from_second(seconds).ok())
            .unwrap_or(Timestamp::MAX),
        place,
    })
}

/// Checks that a certificate is for this key.
///
/// # Errors
/// [`CertificateError`].
pub fn check(der: &[u8], key: &PublicKey) -> Result<(), CertificateError> {
    let certificate = parse(der)?;
    let spki = certificate
        .tbs_certificate()
        .subject_public_key_info()
        .to_der()
        .map_err(|error| CertificateError::Malformed(error.to_string()))?;
    match PublicKey::from_spki_der(&spki) {
        Ok(named) if named == *key => Ok(()),
        _ => Err(CertificateError::OtherKey),
    }
}

/// Whether the key itself signed the certificate.
pub fn is_self_signed(der: &[u8], key: &PublicKey) -> bool {
    let Ok(certificate) = parse(der) else {
        return false;
    };
    let Some(mechanism) = mechanism(&certificate.signature_algorithm().oid) else {
        return false;
    };
    let (Ok(tbs), Some(signature)) = (
        certificate.tbs_certificate().to_der(),
        certificate.signature().as_bytes(),
    ) else {
        return false;
    };
    let Some(hash) = mechanism.hash() else {
        return false;
    };
    mechanism.verify(key, &hash.digest(&tbs), signature).is_ok()
}

/// Signature algorithms of RFC 5758 and RFC 4055 that an HSM key makes. PSS, whose parameters vary, is left to admins.
fn mechanism(oid: &ObjectIdentifier) -> Option<Mechanism> {
    let (scheme, hash) = match oid.to_string().as_str() {
        "1.2.840.10045.4.3.2" => (Scheme::Ecdsa, HashAlgorithm::Sha256),
        "1.2.840.10045.4.3.3" => (Scheme::Ecdsa, HashAlgorithm::Sha384),
        "1.2.840.10045.4.3.4" => (Scheme::Ecdsa, HashAlgorithm::Sha512),
        "1.2.840.113549.1.1.11" => (Scheme::RsaPkcs1, HashAlgorithm::Sha256),
        "1.2.840.113549.1.1.12" => (Scheme::RsaPkcs1, HashAlgorithm::Sha384),
        "1.2.840.113549.1.1.13" => (Scheme::RsaPkcs1, HashAlgorithm::Sha512),
        _ => return None,
    };
    Mechanism::new(scheme, hash)
}
