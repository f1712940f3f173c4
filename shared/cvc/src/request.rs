//! Authenticated requests: what key generation returns, and what attests a key.

use crate::{
    certificate::{Certificate, CertificateError},
    chr::{Chr, ChrError},
    ec::SignatureError,
    public_key::PublicKey,
    tlv::{self, Tag, TlvError},
};

/// Why bytes are not an authenticated request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// Not TLV.
    #[error("the key's request is malformed: {0}")]
    Tlv(#[from] TlvError),
    /// Something else.
    #[error(
        "this is not an authenticated request (67 with exactly 7F21, 42 and 5F37): export the key again from its card"
    )]
    NotARequest,
    /// The inner request.
    #[error("the request inside is malformed: {0}")]
    Inner(#[from] CertificateError),
    /// The outer name.
    #[error(transparent)]
    Name(#[from] ChrError),
}

/// An authenticated request: the new key's own request, signed again by the device.
///
/// Source: SmartCard-HSM, GENERATE ASYMMETRIC KEY PAIR; BSI TR-03110-3, annex D.2.
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
    /// Reads a request with its tag 67: exactly three objects, nothing behind.
    ///
    /// # Errors
    /// [`RequestError`].
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

    /// The bytes, tag included.
    pub fn raw(&self) -> &[u8] {
        &self.raw
    }

    /// Content without the tag: what REGISTER PUBLIC KEY takes.
    pub fn content(&self) -> &[u8] {
        // Parsed once already, so this cannot fail.
        tlv::parse_exact(&self.raw).map_or(&[], |outer| outer.value)
    }

    /// Name of the new key.
    pub fn chr(&self) -> &Chr {
        self.inner.chr()
    }

    /// Issuer named in the new key's own request.
    pub fn inner_car(&self) -> &Chr {
        self.inner.car()
    }

    /// The device that vouches for it.
    pub fn outer_car(&self) -> &Chr {
        &self.outer_car
    }

    /// The new key.
    pub fn public_key(&self) -> &PublicKey {
        &self.public_key
    }

    /// Proof of possession: the inner request is signed by the new key.
    ///
    /// # Errors
    /// [`SignatureError`].
    pub fn verify_inner(&self) -> Result<(), SignatureError> {
        self.inner.verify_with(&self.public_key)
    }

    /// Attestation: the whole is signed by the device.
    ///
    /// # Errors
    /// [`SignatureError`].
    pub fn verify_outer(&self, device: &PublicKey) -> Result<(), SignatureError> {
        device.verify_sha256(&self.signed, &self.outer_signature)
    }
}
