//! Client certificates that identify programs. A certificate is matched by its fingerprint, whoever issued it.

use std::time::Duration;

use axum::http::HeaderValue;
use base64::{Engine, prelude::BASE64_STANDARD};
use countersign_protocol::{Timestamp, digest::Sha256Digest};
use percent_encoding::percent_decode;
use rustls::{
    pki_types::{CertificateDer, pem::PemObject},
    server::ParsedCertificate,
};
use x509_cert::{
    Certificate,
    der::{Decode, asn1::ObjectIdentifier},
    spki::SubjectPublicKeyInfoOwned,
};

/// Longest accepted certificate, in bytes.
const LONGEST: usize = 16 * 1024;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCertificate {
    /// SHA-256 of the certificate in DER.
    pub fingerprint: Sha256Digest,
    /// Subject in the form of RFC 4514.
    pub subject: String,
    not_before: Timestamp,
    pub not_after: Timestamp,
}

/// Why a certificate cannot identify a client.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// It is not X.509, or TLS does not support it.
    #[error(
        "this is not a usable X.509 certificate: send one in PEM that begins with BEGIN CERTIFICATE"
    )]
    Malformed,
    #[error(
        "the text holds several certificates: send only the program's own, without the certificates of authorities"
    )]
    Several,
    #[error(
        "the text holds a private key, which must stay secret: generate a new key, and send only its certificate"
    )]
    PrivateKey,
    /// The server cannot verify signatures of this algorithm in a handshake.
    #[error(
        "the certificate's key is of an unsupported type: expected EC P-256 or P-384, Ed25519, or RSA of 2048 bits or more"
    )]
    KeyType,
    #[error(
        "the certificate is valid only from {0:.0} on: check the clocks of the client and the server"
    )]
    NotYetValid(Timestamp),
    #[error("the certificate expired on {0:.0}: create a new one")]
    Expired(Timestamp),
}

impl ClientCertificate {
    pub fn from_der(der: &[u8]) -> Result<Self, CertificateError> {
        if der.len() > LONGEST {
            return Err(CertificateError::Malformed);
        }
        // The key of a certificate that rustls cannot read could not be proven in a handshake.
        ParsedCertificate::try_from(&CertificateDer::from(der))
            .map_err(|_| CertificateError::Malformed)?;
        let certificate = Certificate::from_der(der).map_err(|_| CertificateError::Malformed)?;
        let certificate = certificate.tbs_certificate();
        if !verifiable(certificate.subject_public_key_info()) {
            return Err(CertificateError::KeyType);
        }
        let validity = certificate.validity();
        Ok(Self {
            fingerprint: Sha256Digest::of(der),
            subject: certificate.subject().to_string(),
            not_before: moment(validity.not_before.to_unix_duration()),
            not_after: moment(validity.not_after.to_unix_duration()),
        })
    }

    /// Reads PEM with exactly one certificate and no private key.
    pub fn from_pem(pem: &[u8]) -> Result<Self, CertificateError> {
        if pem.windows(11).any(|part| part == b"PRIVATE KEY") {
            return Err(CertificateError::PrivateKey);
        }
        let mut all = CertificateDer::pem_slice_iter(pem);
        let Some(Ok(der)) = all.next() else {
            return Err(CertificateError::Malformed);
        };
        if all.next().is_some() {
            return Err(CertificateError::Several);
        }
        Self::from_der(&der)
    }

    /// Reads a proxy's `Client-Cert` header, in the form of RFC 9440 or as percent-encoded PEM, which nginx sends.
    pub fn from_header(value: &HeaderValue) -> Result<Self, CertificateError> {
        let value = value.as_bytes().trim_ascii();
        let in_colons = value
            .strip_prefix(b":")
            .and_then(|rest| rest.strip_suffix(b":"));
        match in_colons {
            Some(base64) => {
                let der = BASE64_STANDARD.decode(base64);
                Self::from_der(&der.map_err(|_| CertificateError::Malformed)?)
            }
            None => Self::from_pem(&percent_decode(value).collect::<Vec<_>>()),
        }
    }

    /// Checks that the certificate is valid at this time.
    pub fn check(&self, now: Timestamp) -> Result<(), CertificateError> {
        if now < self.not_before {
            Err(CertificateError::NotYetValid(self.not_before))
        } else if now > self.not_after {
            Err(CertificateError::Expired(self.not_after))
        } else {
            Ok(())
        }
    }
}

fn moment(since_1970: Duration) -> Timestamp {
    i64::try_from(since_1970.as_secs())
        .ok()
        .and_then(|seconds| Timestamp::from_second(seconds).ok())
        .unwrap_or(Timestamp::MAX)
}

/// Whether the server can verify a handshake signed with this key.
fn verifiable(key: &SubjectPublicKeyInfoOwned) -> bool {
    const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
    const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
    const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");
    const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
    const P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
    match key.algorithm.oid {
        // The DER encoding holds the modulus and the exponent, so it is longer than the modulus.
        RSA => key.subject_public_key.raw_bytes().len() > 2048 / 8,
        EC => key
            .algorithm
            .parameters
            .as_ref()
            .and_then(|curve| curve.decode_as::<ObjectIdentifier>().ok())
            .is_some_and(|curve| curve == P256 || curve == P384),
        ED25519 => true,
        _ => false,
    }
}
