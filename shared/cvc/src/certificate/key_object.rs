//! Public key objects inside certificates.

use super::CertificateError;
use crate::{
    curve::{Curve, DomainParameters},
    ec::EcPublicKey,
    public_key::PublicKey,
    rsa_key::RsaPublicKey,
    tlv::{self, Tag, Tlv},
};

/// id-TA-ECDSA-SHA-256, 0.4.0.127.0.7.2.2.2.2.3.
pub(crate) const TA_ECDSA_SHA_256: &[u8] =
    &[0x04, 0x00, 0x7F, 0x00, 0x07, 0x02, 0x02, 0x02, 0x02, 0x03];
/// id-TA-RSA-v1-5-SHA-256, 0.4.0.127.0.7.2.2.2.1.2.
pub(crate) const TA_RSA_SHA_256: &[u8] =
    &[0x04, 0x00, 0x7F, 0x00, 0x07, 0x02, 0x02, 0x02, 0x01, 0x02];
/// id-TA, 0.4.0.127.0.7.2.2.2: prefix of all signature algorithms; the next byte is 1 for RSA, 2 for ECDSA.
const TA: &[u8] = &[0x04, 0x00, 0x7F, 0x00, 0x07, 0x02, 0x02, 0x02];

/// Tags of the curve parameters, which are present together or not at all.
const PARAMETERS: [Tag; 5] = [Tag(0x81), Tag(0x82), Tag(0x83), Tag(0x84), Tag(0x85)];

/// A public key object (7F49), whose curve may be inherited from the issuer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum KeyObject {
    /// An EC key, with or without curve parameters.
    Ec {
        /// The named curve that has the encoded parameters; `None` if there are no parameters.
        curve: Option<Curve>,
        /// Public point, `04 || x || y`; not checked yet.
        point: Vec<u8>,
    },
    /// An RSA key.
    Rsa(RsaPublicKey),
}

impl KeyObject {
    pub(crate) fn parse(value: &[u8]) -> Result<Self, CertificateError> {
        let objects = tlv::parse_all(value)?;
        let oid = tlv::expect(&objects, Tag::OID)?.value;
        let get = |tag: u16| tlv::expect(&objects, Tag(tag)).map(|object| object.value);
        match oid.strip_prefix(TA).and_then(|rest| rest.first()) {
            Some(1) => Ok(Self::Rsa(RsaPublicKey::new(get(0x81)?, get(0x82)?)?)),
            Some(2) => {
                let given = PARAMETERS
                    .iter()
                    .any(|tag| tlv::find(&objects, *tag).is_some());
                let curve = given.then(|| named_curve(&objects)).transpose()?;
                Ok(Self::Ec {
                    curve,
                    point: get(0x86)?.to_vec(),
                })
            }
            _ => Err(CertificateError::UnknownKeyKind),
        }
    }

    /// Checks the key. An EC key without parameters is on the curve `inherited` from its issuer.
    ///
    /// # Errors
    /// [`CertificateError::NoCurve`] if neither gives a curve; [`CertificateError::Key`] if the point is not on it.
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

/// Finds the curve with exactly these parameters, all of which must be present.
fn named_curve(objects: &[Tlv<'_>]) -> Result<Curve, CertificateError> {
    let get = |tag: u16| tlv::expect(objects, Tag(tag)).map(|object| object.value);
    let parameters = DomainParameters {
        p: get(0x81)?,
        a: get(0x82)?,
        b: get(0x83)?,
        g: get(0x84)?,
        n: get(0x85)?,
        h: get(0x87)?,
    };
    Curve::from_parameters(&parameters).ok_or(CertificateError::UnknownCurve)
}
