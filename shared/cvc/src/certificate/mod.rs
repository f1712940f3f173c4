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

/// The reason why bytes are not accepted as a certificate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// The bytes are not TLV, or an object is missing.
    #[error("the certificate is malformed: {0}")]
    Tlv(#[from] TlvError),
    /// The object has another tag than 7F21.
    #[error("expected a card-verifiable certificate (7F21), found {0}")]
    NotACertificate(Tag),
    /// There is an object besides body and signature, which the signature does not cover.
    #[error("the certificate contains an object {0} that its signature does not cover")]
    Uncovered(Tag),
    /// A holder or authority reference is malformed.
    #[error(transparent)]
    Name(#[from] ChrError),
    /// The key is neither EC nor RSA.
    #[error("the certificate's public key is neither EC nor RSA")]
    UnknownKeyKind,
    /// The explicit parameters match none of the named curves.
    #[error(
        "the certificate's key is on a curve with unknown parameters: only named curves are accepted"
    )]
    UnknownCurve,
    /// The key has no parameters and there is no issuer to inherit them from.
    #[error("the certificate's key has no curve parameters")]
    NoCurve,
    /// The EC key is invalid.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The RSA key is invalid.
    #[error(transparent)]
    RsaKey(#[from] RsaKeyError),
    /// A date is not six digits.
    #[error("a date in the certificate is not six decimal digits")]
    BadDate,
}

/// A card-verifiable certificate, or a plain certificate request, which has the same form without role and dates.
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
    /// Reads one certificate with its tag 7F21. Unknown objects in its body are skipped.
    ///
    /// # Errors
    /// The bytes are not exactly one certificate, or its names, key or dates are malformed.
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
        // Body and signature are the first two objects, and the signature covers only the body.
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

    /// The encoded certificate with its tag.
    pub fn raw(&self) -> &[u8] {
        &self.raw
    }

    /// Content of the certificate without tag and length, as PSO VERIFY CERTIFICATE expects it.
    pub fn content(&self) -> &[u8] {
        // Cannot fail, because these bytes have been parsed before.
        tlv::parse_exact(&self.raw).map_or(&[], |outer| outer.value)
    }

    /// Certification authority reference: the issuer.
    pub fn car(&self) -> &Chr {
        &self.car
    }

    /// Certificate holder reference: the subject.
    pub fn chr(&self) -> &Chr {
        &self.chr
    }

    /// Public key as encoded; [`KeyObject::resolve`] makes it usable.
    pub fn key(&self) -> &KeyObject {
        &self.key
    }

    /// Role in the device hierarchy, if the certificate has an authorisation.
    pub fn role(&self) -> Option<Role> {
        self.role
    }

    /// First day of validity, if given.
    pub fn effective(&self) -> Option<Date> {
        self.effective
    }

    /// Last day of validity, if given.
    pub fn expiry(&self) -> Option<Date> {
        self.expiry
    }

    /// Signature over the body: plain `r || s`, or RSASSA-PKCS1-v1_5.
    pub fn signature(&self) -> &[u8] {
        &self.signature
    }

    /// Verifies the signature over the body with the issuer's key.
    ///
    /// # Errors
    /// The signature is malformed or does not verify.
    pub fn verify_with(&self, issuer: &PublicKey) -> Result<(), SignatureError> {
        issuer.verify_sha256(&self.body, &self.signature)
    }
}

/// Splits concatenated certificates, as in EF 2F02. Filler bytes (00 or FF) after the last one are ignored.
///
/// # Errors
/// One of the objects is not a certificate.
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
