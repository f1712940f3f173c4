//! Key attestation: proof that a private key was generated in a genuine device.
//!
//! The proof does not cover the time of generation, the use counter, or whether the key can be exported. It is the
//! authenticated request that GENERATE ASYMMETRIC KEY PAIR of a SmartCard-HSM returns.

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

/// The reason why a key is not accepted as attested.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AttestationError {
    /// The file cannot be read.
    #[error(transparent)]
    File(#[from] PkaFileError),
    /// The device is not genuine.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// The request names another device.
    #[error(
        "the request names device {named}, but the certificates belong to device {presented}: export the key again from its card"
    )]
    OtherDevice {
        /// Device that the request names.
        named: Chr,
        /// Device that the certificate names.
        presented: Chr,
    },
    /// The outer signature is not by the device's key.
    #[error(
        "the request is not signed by the device: the key was not generated there, or the request was changed ({0})"
    )]
    OuterSignature(SignatureError),
    /// The inner signature is not by the key in the request.
    #[error("the request is not signed by its own key: the public key was replaced ({0})")]
    InnerSignature(SignatureError),
    /// The kind of key does not suit public key authentication.
    #[error(
        "this key is {found}, but a custodian's key must be EC brainpoolP256r1 or EC secp256r1: generate one on the card"
    )]
    UnsuitableKey {
        /// Kind of the key, such as "RSA 2048".
        found: String,
    },
}

/// A key that was generated in a genuine device. Only [`verify`] constructs it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AttestedKey {
    chr: Chr,
    public_key: PublicKey,
    device: VerifiedDevice,
}

/// Verifies the device chain, then the device's signature over the request, then the request's signature by its own key.
///
/// # Errors
/// The first of these checks that fails.
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
    /// Holder reference of the key.
    pub fn chr(&self) -> &Chr {
        &self.chr
    }

    /// The attested public key.
    pub fn public_key(&self) -> &PublicKey {
        &self.public_key
    }

    /// The device in which the key was generated.
    pub fn device(&self) -> &VerifiedDevice {
        &self.device
    }

    /// Fingerprint of the attested key.
    pub fn fingerprint(&self) -> Fingerprint {
        self.public_key.fingerprint()
    }

    /// Checks that a custodian can use the key: see [`check_custodian_key`].
    ///
    /// # Errors
    /// [`AttestationError::UnsuitableKey`] if the key is of another kind.
    pub fn check_custodian_policy(&self) -> Result<(), AttestationError> {
        check_custodian_key(&self.public_key)
    }
}

/// Checks that a custodian can use a key. Public key authentication takes signatures of 64 bytes, so the key must be EC on
/// brainpoolP256r1 or secp256r1.
///
/// # Errors
/// [`AttestationError::UnsuitableKey`] if the key is of another kind.
pub fn check_custodian_key(key: &PublicKey) -> Result<(), AttestationError> {
    match key.curve() {
        Some(Curve::BrainpoolP256r1 | Curve::Secp256r1) => Ok(()),
        _ => Err(AttestationError::UnsuitableKey { found: key.kind() }),
    }
}
