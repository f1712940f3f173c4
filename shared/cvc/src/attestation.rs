//! Key attestation: proof that a private key was generated in a genuine device.
//!
//! The proof says nothing about time, use counter or exportability (SmartCard-HSM protocol, key attestation).

use crate::{
    anchor::TrustAnchors,
    chain::{ChainError, VerifiedDevice},
    chr::Chr,
    curve::Curve,
    ec::SignatureError,
    fingerprint::Fingerprint,
    pka_file::{PkaFile, PkaFileError},
    public_key::PublicKey,
};

/// Why a key is not accepted; one reason each.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AttestationError {
    /// Unreadable.
    #[error(transparent)]
    File(#[from] PkaFileError),
    /// The device.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// The request names another device.
    #[error("the key was generated in {named}, but the certificates are of {presented}")]
    OtherDevice {
        /// Named by the request.
        named: Chr,
        /// Presented.
        presented: Chr,
    },
    /// Not signed by the device.
    #[error(
        "the request is not signed by the device: the key was not generated in it, or the request was changed ({0})"
    )]
    OuterSignature(SignatureError),
    /// Not signed by the key.
    #[error("the request is not signed by its own key: the public key was swapped ({0})")]
    InnerSignature(SignatureError),
    /// The key cannot be a custodian's.
    #[error(
        "this key is {found}: custodian keys must be EC on brainpoolP256r1 (or secp256r1). Generate one on the card"
    )]
    UnsuitableKey {
        /// What it is.
        found: String,
    },
}

/// A key that lives in a genuine device. Only [`verify`] makes one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AttestedKey {
    chr: Chr,
    public_key: PublicKey,
    device: VerifiedDevice,
}

/// Verifies chain, then the device's signature, then the key's own.
///
/// # Errors
/// [`AttestationError`], the first reason found.
pub fn verify(file: &PkaFile, anchors: &TrustAnchors) -> Result<AttestedKey, AttestationError> {
    let device = file.chain.verify(anchors)?;
    if file.request.outer_car() != &device.id().0 {
        return Err(AttestationError::OtherDevice {
            named: file.request.outer_car().clone(),
            presented: device.id().0.clone(),
        });
    }
    file.request
        .verify_outer(device.public_key())
        .map_err(AttestationError::OuterSignature)?;
    file.request
        .verify_inner()
        .map_err(AttestationError::InnerSignature)?;
    Ok(AttestedKey {
        chr: file.request.chr().clone(),
        public_key: file.request.public_key().clone(),
        device,
    })
}

impl AttestedKey {
    /// The key's name.
    pub fn chr(&self) -> &Chr {
        &self.chr
    }

    /// The key.
    pub fn public_key(&self) -> &PublicKey {
        &self.public_key
    }

    /// Its device.
    pub fn device(&self) -> &VerifiedDevice {
        &self.device
    }

    /// Its fingerprint.
    pub fn fingerprint(&self) -> Fingerprint {
        self.public_key.fingerprint()
    }

    /// Whether the key can be a custodian's: PKA signatures are 64 bytes.
    ///
    /// # Errors
    /// [`AttestationError::UnsuitableKey`].
    pub fn check_custodian_policy(&self) -> Result<(), AttestationError> {
        check_custodian_key(&self.public_key)
    }
}

/// Whether a key can be a custodian's.
///
/// # Errors
/// [`AttestationError::UnsuitableKey`].
pub fn check_custodian_key(key: &PublicKey) -> Result<(), AttestationError> {
    match key.curve() {
        Some(Curve::BrainpoolP256r1 | Curve::Secp256r1) => Ok(()),
        _ => Err(AttestationError::UnsuitableKey { found: key.kind() }),
    }
}
