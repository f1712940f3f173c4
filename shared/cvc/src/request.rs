//! Authenticated requests, which key generation returns and which attest the new key.

use crate::{
    certificate::{Certificate, CertificateError},
    chr::{Chr, ChrError},
    ec::SignatureError,
    public_key::PublicKey,
    tlv::{self, Tag, TlvError},
};

/// The reason why bytes are not accepted as an authenticated request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// The bytes are not TLV.
    #[error("the key request is malformed: {0}")]
    Tlv(#[from] TlvError),
    /// The objects are not those of an authenticated request.
    #[error(
        "this is not an authenticated request (expected tag 67 with 7F21, 42 and 5F37): export the key again from its card"
    )]
    NotARequest,
    /// The inner request is malformed.
    #[error("the inner key request is malformed: {0}")]
    Inner(#[from] CertificateError),
    /// The name of the device is malformed.
    #[error(transparent)]
    Name(#[from] ChrError),
}

/// An authenticated request: a request that the new key signs (the inner request), signed again by the device.
///
/// Source: BSI TR-03110-3, annex D.2; the SmartCard-HSM returns it from GENERATE ASYMMETRIC KEY PAIR.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AuthenticatedRequest {
    raw: Vec<u8>,
    inner: Certificate,
    public_key: PublicKey,
    outer_car: Chr,
    signed: Vec<u8>,
    outer_signature: Vec<u8>,
}

impl AuthenticatedRequest {
    /// Reads a request with its tag 67, which must hold exactly three objects.
    ///
    /// # Errors
    /// The objects are others, a name or key is malformed, or bytes follow the request.
    pub fn parse(data: &[u8]) -> Result<Self, RequestError> {
        let outer = tlv::parse_exact(data)?;
        let parts = tlv::parse_all(outer.value)?;
        let [inner, car, signature] = parts.as_slice() else {
            return Err(RequestError::NotARequest);
        };
        if outer.tag != Tag::REQUEST || car.tag != Tag::CAR || signature.tag != Tag::SIGNATURE {
            return Err(RequestError::NotARequest);
        }
        let inner_request = Certificate::from_tlv(*inner)?;
        let public_key = inner_request.key().resolve(None)?;
        Ok(Self {
            raw: outer.raw.to_vec(),
            inner: inner_request,
            public_key,
            outer_car: Chr::from_card_bytes(car.value)?,
            signed: [inner.raw, car.raw].concat(),
            outer_signature: signature.value.to_vec(),
        })
    }

    /// The encoded request with its tag.
    pub fn raw(&self) -> &[u8] {
        &self.raw
    }

    /// Content of the request without tag and length, as MANAGE PUBLIC KEY AUTHENTICATION expects it.
    pub fn content(&self) -> &[u8] {
        // Cannot fail, because these bytes have been parsed before.
        tlv::parse_exact(&self.raw).map_or(&[], |outer| outer.value)
    }

    /// Name of the new key.
    pub fn chr(&self) -> &Chr {
        self.inner.chr()
    }

    /// Authority reference in the inner request.
    pub fn inner_car(&self) -> &Chr {
        self.inner.car()
    }

    /// Name of the device that signed the request.
    pub fn outer_car(&self) -> &Chr {
        &self.outer_car
    }

    /// The new public key.
    pub fn public_key(&self) -> &PublicKey {
        &self.public_key
    }

    /// Verifies the proof of possession: the new key signed the inner request.
    ///
    /// # Errors
    /// The inner signature is malformed or does not verify.
    pub fn verify_inner(&self) -> Result<(), SignatureError> {
        self.inner.verify_with(&self.public_key)
    }

    /// Verifies the attestation: the device with this key signed the inner request and its own name.
    ///
    /// # Errors
    /// The outer signature is malformed or does not verify.
    pub fn verify_outer(&self, device: &PublicKey) -> Result<(), SignatureError> {
        device.verify_sha256(&self.signed, &self.outer_signature)
    }
}
