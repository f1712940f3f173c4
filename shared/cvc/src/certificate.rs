//! Card-verifiable certificates (BSI TR-03110-3, annex D).

mod date;
mod key_object;
mod role;

pub use date::Date;
pub use key_object::KeyObject;
pub(crate) use key_object::{TA_ECDSA_SHA_256, TA_RSA_SHA_256};
pub use role::Role;

use crate::{
    chr::{Chr, ChrError},
    ec::{KeyError, SignatureError},
    public_key::PublicKey,
    rsa_key::RsaKeyError,
    tlv::{self, Tag, Tlv, TlvError},
};

/// Why bytes are not a certificate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// Not TLV, or an object is missing.
    #[error("the certificate is malformed: {0}")]
    Tlv(#[from] TlvError),
    /// Something else than a certificate.
    #[error("expected a card-verifiable certificate (7F21), found {0}")]
    NotACertificate(Tag),
    /// Something beside body and signature, which the signature does not cover.
    #[error("there is an object {0} in the certificate that its signature does not cover")]
    Uncovered(Tag),
    /// A name is not readable.
    #[error(transparent)]
    Name(#[from] ChrError),
    /// The key is neither EC nor RSA.
    #[error("the certificate's public key is of an unknown kind")]
    UnknownKeyKind,
    /// Explicit parameters that are no named curve.
    #[error(
        "the certificate's key is on a curve with unknown parameters: only named curves are accepted"
    )]
    UnknownCurve,
    /// Parameters are absent and nothing gives them.
    #[error("the certificate's key has no curve parameters of its own")]
    NoCurve,
    /// The key is not valid.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The RSA key is not valid.
    #[error(transparent)]
    RsaKey(#[from] RsaKeyError),
    /// A date is not six digits.
    #[error("a date in the certificate is not six decimal digits")]
    BadDate,
}

/// A certificate (or a plain request, which has the same form without role and dates).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Certificate {
    raw: Vec<u8>,
    body: Vec<u8>,
    car: Chr,
    chr: Chr,
    key: KeyObject,
    role: Option<Role>,
    effective: Option<Date>,
    expiry: Option<Date>,
    signature: Vec<u8>,
}

impl Certificate {
    /// Reads one certificate, with its tag 7F21. Unknown objects are skipped.
    ///
    /// # Errors
    /// [`CertificateError`].
    pub fn parse(data: &[u8]) -> Result<Self, CertificateError> {
        Self::from_tlv(tlv::parse_exact(data)?)
    }

    pub(crate) fn from_tlv(outer: Tlv<'_>) -> Result<Self, CertificateError> {
        if outer.tag != Tag::CERTIFICATE {
            return Err(CertificateError::NotACertificate(outer.tag));
        }
        let parts = tlv::parse_all(outer.value)?;
        let body = tlv::expect(&parts, Tag::BODY)?;
        let signature = tlv::expect(&parts, Tag::SIGNATURE)?;
        // Both are there, so a third is nothing that the signature covers.
        if let Some(extra) = parts.get(2) {
            return Err(CertificateError::Uncovered(extra.tag));
        }
        let fields = tlv::parse_all(body.value)?;
        let get = |tag| tlv::expect(&fields, tag).map(|object| object.value);
        let date = |tag| {
            tlv::find(&fields, tag)
                .map(|object| Date::parse(object.value))
                .transpose()
        };
        let role = tlv::find(&fields, Tag::AUTHORISATION)
            .map(|object| tlv::parse_all(object.value))
            .transpose()?
            .and_then(|objects| {
                tlv::find(&objects, Tag::DISCRETIONARY).and_then(|bits| bits.value.first().copied())
            })
            .map(|byte| match byte {
                0xC0 => Role::Root,
                0x80 => Role::Issuer,
                0x00 => Role::Device,
                other => Role::Other(other),
            });
        Ok(Self {
            raw: outer.raw.to_vec(),
            body: body.raw.to_vec(),
            car: Chr::from_card_bytes(get(Tag::CAR)?)?,
            chr: Chr::from_card_bytes(get(Tag::CHR)?)?,
            key: KeyObject::parse(get(Tag::PUBLIC_KEY)?)?,
            role,
            effective: date(Tag::EFFECTIVE)?,
            expiry: date(Tag::EXPIRY)?,
            signature: signature.value.to_vec(),
        })
    }

    /// The certificate's bytes, tag included.
    pub fn raw(&self) -> &[u8] {
        &self.raw
    }

    /// Content of the certificate without its tag: what PSO VERIFY Tag::CERTIFICATE takes.
    pub fn content(&self) -> &[u8] {
        // Parsed once already, so this cannot fail.
        tlv::parse_exact(&self.raw).map_or(&[], |outer| outer.value)
    }

    /// Who signed it.
    pub fn car(&self) -> &Chr {
        &self.car
    }

    /// Whose it is.
    pub fn chr(&self) -> &Chr {
        &self.chr
    }

    /// The key.
    pub fn key(&self) -> &KeyObject {
        &self.key
    }

    /// Role, if given.
    pub fn role(&self) -> Option<Role> {
        self.role
    }

    /// First day, if given.
    pub fn effective(&self) -> Option<Date> {
        self.effective
    }

    /// Last day, if given.
    pub fn expiry(&self) -> Option<Date> {
        self.expiry
    }

    /// Signature over the body: plain `r || s`, or RSA.
    pub fn signature(&self) -> &[u8] {
        &self.signature
    }

    /// Verifies the signature over the body with `issuer`.
    ///
    /// # Errors
    /// [`SignatureError`].
    pub fn verify_with(&self, issuer: &PublicKey) -> Result<(), SignatureError> {
        issuer.verify_sha256(&self.body, &self.signature)
    }
}

/// Splits concatenated certificates, as in EF 2F02. Filler bytes behind the last one are ignored.
///
/// # Errors
/// [`CertificateError`]
pub fn split_certificates(mut data: &[u8]) -> Result<Vec<Certificate>, CertificateError> {
    let mut certificates = Vec::new();
    while data
        .first()
        .is_some_and(|byte| !matches!(byte, 0x00 | 0xFF))
    {
        let (tlv, rest) = tlv::parse_one(data)?;
        certificates.push(Certificate::from_tlv(tlv)?);
        data = rest;
    }
    Ok(certificates)
}
