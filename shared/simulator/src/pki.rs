//! The simulated hierarchy: a root and an issuer whose private keys are public.

use countersign_cvc::{
    AnchorKind, Chr, Curve, Date, EcSecretKey, KeyError, PublicKey, Role, SIMULATED_ROOT_HOLDER,
    TrustAnchor,
    issue::{self, NewCertificate},
};
use sha2::{Digest, Sha256};

use crate::file::CardFileError;

const CURVE: Curve = Curve::BrainpoolP256r1;
const FROM: Date = Date {
    year: 2025,
    month: 1,
    day: 1,
};
const TO: Date = Date {
    year: 2055,
    month: 1,
    day: 1,
};

/// A simulated certificate cannot be issued, which does not happen with the fixed keys.
#[derive(Debug, thiserror::Error)]
#[error("the simulated certificates cannot be issued: {0}")]
pub struct PkiError(String);

impl From<KeyError> for PkiError {
    fn from(error: KeyError) -> Self {
        Self(error.to_string())
    }
}

fn name(text: &str) -> Result<Chr, PkiError> {
    Chr::from_card_bytes(text.as_bytes()).map_err(|error| PkiError(error.to_string()))
}

fn root_name() -> Result<Chr, PkiError> {
    name(&format!("{SIMULATED_ROOT_HOLDER}00001"))
}

pub(crate) fn issuer_name() -> Result<Chr, PkiError> {
    name("ZZSIMDICA00001")
}

/// A private key that can be computed from public data, so that nothing can depend on its secrecy.
fn public_secret(purpose: &str) -> Result<EcSecretKey, PkiError> {
    let mut scalar: [u8; 32] = Sha256::digest(format!("countersign simulator: {purpose}")).into();
    // Makes the number less than the order of the curve.
    scalar[0] &= 0x7F;
    Ok(EcSecretKey::from_bytes(CURVE, &scalar)?)
}

fn root_certificate() -> Result<Vec<u8>, PkiError> {
    let (name, key) = (root_name()?, public_secret("root")?);
    let public = key.public_key();
    let new = NewCertificate {
        car: &name,
        chr: &name,
        key: &public,
        role: Role::Root,
        validity: (FROM, TO),
    };
    Ok(issue::certificate(&new, &key)?)
}

/// Public key of the root or issuer with this name, which every simulated card trusts.
pub(crate) fn known_key(holder: &Chr) -> Option<PublicKey> {
    let known = |known: Result<Chr, PkiError>, purpose| {
        (known.ok()? == *holder)
            .then(|| public_secret(purpose).ok())
            .flatten()
            .map(|key| key.public_key())
    };
    known(root_name(), "root").or_else(|| known(issuer_name(), "issuer"))
}

/// Issues the trust anchor of simulated cards, which is for demos and tests only.
///
/// # Errors
/// The certificate cannot be issued, which does not happen with the fixed keys.
pub fn simulated_anchor() -> Result<TrustAnchor, CardFileError> {
    let certificate = root_certificate()?;
    TrustAnchor::from_certificate(
        "simulated root (worthless)",
        AnchorKind::Simulated,
        &certificate,
    )
    .map_err(|error| CardFileError::Pki(PkiError(error.to_string())))
}

/// Content of EF 2F02 of a new card: the certificates of the device and the issuer.
pub(crate) fn device_certificates(device: &Chr, key: &PublicKey) -> Result<Vec<u8>, PkiError> {
    let (root, issuer) = (root_name()?, issuer_name()?);
    let issuer_public = public_secret("issuer")?.public_key();
    let issuer_certificate = issue::certificate(
        &NewCertificate {
            car: &root,
            chr: &issuer,
            key: &issuer_public,
            role: Role::Issuer,
            validity: (FROM, TO),
        },
        &public_secret("root")?,
    )?;
    let device_certificate = issue::certificate(
        &NewCertificate {
            car: &issuer,
            chr: device,
            key,
            role: Role::Device,
            validity: (FROM, TO),
        },
        &public_secret("issuer")?,
    )?;
    Ok([device_certificate, issuer_certificate].concat())
}
