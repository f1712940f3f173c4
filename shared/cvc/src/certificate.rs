//! Card-verifiable certificates (BSI TR-03110-3, annex D).

use crate::{
    chr::{Chr, ChrError},
    curve::{Curve, DomainParameters},
    ec::{EcPublicKey, KeyError, SignatureError},
    public_key::PublicKey,
    rsa_key::{RsaKeyError, RsaPublicKey},
    tlv::{self, Tag, Tlv, TlvError},
};

pub(crate) const CERTIFICATE: Tag = Tag(0x7F21);
pub(crate) const BODY: Tag = Tag(0x7F4E);
pub(crate) const PROFILE: Tag = Tag(0x5F29);
pub(crate) const CAR: Tag = Tag(0x42);
pub(crate) const PUBLIC_KEY: Tag = Tag(0x7F49);
pub(crate) const CHR: Tag = Tag(0x5F20);
pub(crate) const AUTHORISATION: Tag = Tag(0x7F4C);
pub(crate) const EFFECTIVE: Tag = Tag(0x5F25);
pub(crate) const EXPIRY: Tag = Tag(0x5F24);
pub(crate) const SIGNATURE: Tag = Tag(0x5F37);
pub(crate) const OID: Tag = Tag(0x06);
pub(crate) const BITS: Tag = Tag(0x53);
/// id-TA-ECDSA-SHA-256, 0.4.0.127.0.7.2.2.2.2.3.
pub(crate) const TA_ECDSA_SHA_256: &[u8] =
    &[0x04, 0x00, 0x7F, 0x00, 0x07, 0x02, 0x02, 0x02, 0x02, 0x03];
/// id-TA-RSA-v1-5-SHA-256, 0.4.0.127.0.7.2.2.2.1.2.
pub(crate) const TA_RSA_SHA_256: &[u8] =
    &[0x04, 0x00, 0x7F, 0x00, 0x07, 0x02, 0x02, 0x02, 0x01, 0x02];
/// id-TA, 0.4.0.127.0.7.2.2.2: prefix of all signature algorithms; the next byte is 1 for RSA, 2 for ECDSA.
const TA: &[u8] = &[0x04, 0x00, 0x7F, 0x00, 0x07, 0x02, 0x02, 0x02];

/// Why bytes are not a certificate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// Not TLV, or an object is missing.
    #[error("the certificate is malformed: {0}")]
    Tlv(#[from] TlvError),
    /// Something else than a certificate.
    #[error("expected a card-verifiable certificate (7F21), found {0}")]
    NotACertificate(Tag),
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

/// A public key object (7F49), whose curve may be inherited from the issuer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum KeyObject {
    /// EC, with the parameters if they are given.
    Ec {
        /// The named curve with exactly the given parameters; `None`: none given.
        curve: Option<Curve>,
        /// The point.
        point: Vec<u8>,
    },
    /// RSA.
    Rsa(RsaPublicKey),
}

impl KeyObject {
    pub(crate) fn parse(value: &[u8]) -> Result<Self, CertificateError> {
        let objects = tlv::parse_all(value)?;
        let oid = tlv::expect(&objects, OID)?.value;
        let get = |tag: u16| tlv::expect(&objects, Tag(tag)).map(|object| object.value);
        match oid.strip_prefix(TA).and_then(|rest| rest.first()) {
            Some(1) => Ok(Self::Rsa(RsaPublicKey::new(get(0x81)?, get(0x82)?)?)),
            Some(2) => {
                let curve = match tlv::find(&objects, Tag(0x81)) {
                    None => None,
                    Some(p) => {
                        let parameters = DomainParameters {
                            p: p.value,
                            a: get(0x82)?,
                            b: get(0x83)?,
                            g: get(0x84)?,
                            n: get(0x85)?,
                            h: get(0x87)?,
                        };
                        Some(
                            Curve::from_parameters(&parameters)
                                .ok_or(CertificateError::UnknownCurve)?,
                        )
                    }
                };
                Ok(Self::Ec {
                    curve,
                    point: get(0x86)?.to_vec(),
                })
            }
            _ => Err(CertificateError::UnknownKeyKind),
        }
    }

    /// The key, with `inherited` as curve where none is given.
    ///
    /// # Errors
    /// [`CertificateError::NoCurve`], or a point that is not on the curve.
    pub fn resolve(&self, inherited: Option<Curve>) -> Result<PublicKey, CertificateError> {
        match self {
            Self::Rsa(key) => Ok(PublicKey::Rsa(key.clone())),
            Self::Ec { curve, point } => {
                let curve = curve.or(inherited).ok_or(CertificateError::NoCurve)?;
                Ok(PublicKey::Ec(EcPublicKey::new(curve, point)?))
            }
        }
    }
}

/// Role in the device hierarchy, from the certificate's authorisation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// Root.
    Root,
    /// Device issuer.
    Issuer,
    /// Device.
    Device,
    /// Not one of these. For information only: real certificates differ.
    Other(u8),
}

impl Role {
    pub(crate) const fn byte(self) -> u8 {
        match self {
            Self::Root => 0xC0,
            Self::Issuer => 0x80,
            Self::Device => 0x00,
            Self::Other(byte) => byte,
        }
    }
}

/// A date in a certificate. For information: the vendor's own software does not check it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Date {
    /// Year, 2000 to 2099.
    pub year: u16,
    /// Month as given.
    pub month: u8,
    /// Day as given.
    pub day: u8,
}

impl Date {
    fn parse(bytes: &[u8]) -> Result<Self, CertificateError> {
        match bytes {
            [y1, y2, m1, m2, d1, d2] if bytes.iter().all(|digit| *digit <= 9) => Ok(Self {
                year: 2000 + u16::from(y1 * 10 + y2),
                month: m1 * 10 + m2,
                day: d1 * 10 + d2,
            }),
            _ => Err(CertificateError::BadDate),
        }
    }

    pub(crate) fn to_bytes(self) -> [u8; 6] {
        let year = u8::try_from(self.year % 100).unwrap_or(0);
        [
            year / 10,
            year % 10,
            self.month / 10,
            self.month % 10,
            self.day / 10,
            self.day % 10,
        ]
    }
}

impl std::fmt::Display for Date {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
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
        if outer.tag != CERTIFICATE {
            return Err(CertificateError::NotACertificate(outer.tag));
        }
        let parts = tlv::parse_all(outer.value)?;
        let body = tlv::expect(&parts, BODY)?;
        let fields = tlv::parse_all(body.value)?;
        let get = |tag| tlv::expect(&fields, tag).map(|object| object.value);
        let date = |tag| {
            tlv::find(&fields, tag)
                .map(|object| Date::parse(object.value))
                .transpose()
        };
        let role = tlv::find(&fields, AUTHORISATION)
            .map(|object| tlv::parse_all(object.value))
            .transpose()?
            .and_then(|objects| {
                tlv::find(&objects, BITS).and_then(|bits| bits.value.first().copied())
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
            car: Chr::from_card_bytes(get(CAR)?)?,
            chr: Chr::from_card_bytes(get(CHR)?)?,
            key: KeyObject::parse(get(PUBLIC_KEY)?)?,
            role,
            effective: date(EFFECTIVE)?,
            expiry: date(EXPIRY)?,
            signature: tlv::expect(&parts, SIGNATURE)?.value.to_vec(),
        })
    }

    /// The certificate's bytes, tag included.
    pub fn raw(&self) -> &[u8] {
        &self.raw
    }

    /// Content of the certificate without its tag: what PSO VERIFY CERTIFICATE takes.
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
