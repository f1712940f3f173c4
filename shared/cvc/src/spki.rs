//! SubjectPublicKeyInfo (RFC 5280, RFC 5480, RFC 3279): the encoding of public keys that other software reads.

use base64::{Engine, engine::general_purpose::STANDARD};

use crate::{
    curve::Curve,
    ec::{EcPublicKey, KeyError, integer},
    public_key::PublicKey,
    rsa_key::{RsaKeyError, RsaPublicKey},
    tlv::{self, Tag, TlvError, TlvWriter},
};

/// id-ecPublicKey, 1.2.840.10045.2.1.
const EC_PUBLIC_KEY: &[u8] = &[0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x02, 0x01];
/// rsaEncryption, 1.2.840.113549.1.1.1.
const RSA_ENCRYPTION: &[u8] = &[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x01, 0x01];
const BEGIN: &str = "-----BEGIN PUBLIC KEY-----";
const END: &str = "-----END PUBLIC KEY-----";

/// The reason why bytes are not accepted as a public key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpkiError {
    /// The bytes are not exactly one DER object.
    #[error("this is not a public key: {0}")]
    Tlv(#[from] TlvError),
    /// The object is not a SubjectPublicKeyInfo.
    #[error(
        "this is not a public key: expected a SubjectPublicKeyInfo, as `openssl pkey -pubout` writes it"
    )]
    Malformed,
    /// Neither EC nor RSA.
    #[error("the key is neither EC nor RSA")]
    UnknownKind,
    /// The curve is unknown, or its parameters are explicit.
    #[error(
        "the key is on an unknown curve or has explicit parameters: use brainpoolP256r1 or secp256r1"
    )]
    UnknownCurve,
    /// The point is not on the curve.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The RSA key is malformed or has an unsupported size.
    #[error(transparent)]
    RsaKey(#[from] RsaKeyError),
    /// The text does not contain a PEM block of this type.
    #[error("expected a PEM block `BEGIN PUBLIC KEY`, found none")]
    NoPem,
}

impl PublicKey {
    /// Writes a SubjectPublicKeyInfo in DER.
    pub fn to_spki_der(&self) -> Vec<u8> {
        let (algorithm, key) = match self {
            Self::Ec(key) => (
                TlvWriter::new()
                    .with(Tag::OID, EC_PUBLIC_KEY)
                    .with(Tag::OID, key.curve().oid())
                    .wrap(Tag::SEQUENCE),
                key.point().to_vec(),
            ),
            Self::Rsa(key) => (
                TlvWriter::new()
                    .with(Tag::OID, RSA_ENCRYPTION)
                    .with(Tag::NULL, &[])
                    .wrap(Tag::SEQUENCE),
                TlvWriter::new()
                    .with(Tag::INTEGER, &integer(key.modulus()))
                    .with(Tag::INTEGER, &integer(key.exponent()))
                    .wrap(Tag::SEQUENCE),
            ),
        };
        TlvWriter::new()
            .with_raw(&algorithm)
            .with(Tag::BIT_STRING, &[&[0], key.as_slice()].concat())
            .wrap(Tag::SEQUENCE)
    }

    /// Writes a SubjectPublicKeyInfo in PEM (RFC 7468), as openssl does.
    pub fn to_spki_pem(&self) -> String {
        let text = STANDARD.encode(self.to_spki_der());
        let mut pem = format!("{BEGIN}\n");
        for line in text.as_bytes().chunks(64) {
            pem.push_str(&String::from_utf8_lossy(line));
            pem.push('\n');
        }
        pem.push_str(END);
        pem.push('\n');
        pem
    }

    /// Reads a SubjectPublicKeyInfo in DER.
    ///
    /// # Errors
    /// The structure is wrong, or the key is not a valid key of a supported kind.
    pub fn from_spki_der(der: &[u8]) -> Result<Self, SpkiError> {
        let outer = tlv::parse_all(sequence(der)?)?;
        let [algorithm, bits] = outer.as_slice() else {
            return Err(SpkiError::Malformed);
        };
        let key = match bits.value.split_first() {
            // The first octet is the number of unused bits.
            Some((0, key)) if bits.tag == Tag::BIT_STRING => key,
            _ => return Err(SpkiError::Malformed),
        };
        let algorithm = tlv::parse_all(sequence(algorithm.raw)?)?;
        let [kind, parameters] = algorithm.as_slice() else {
            return Err(SpkiError::Malformed);
        };
        match (kind.tag, kind.value) {
            (Tag::OID, EC_PUBLIC_KEY) => {
                let curve = Curve::ALL
                    .into_iter()
                    .find(|known| parameters.tag == Tag::OID && known.oid() == parameters.value)
                    .ok_or(SpkiError::UnknownCurve)?;
                Ok(Self::Ec(EcPublicKey::new(curve, key)?))
            }
            (Tag::OID, RSA_ENCRYPTION) => {
                let numbers = tlv::parse_all(sequence(key)?)?;
                match numbers.as_slice() {
                    [n, e] if n.tag == Tag::INTEGER && e.tag == Tag::INTEGER => {
                        Ok(Self::Rsa(RsaPublicKey::new(n.value, e.value)?))
                    }
                    _ => Err(SpkiError::Malformed),
                }
            }
            _ => Err(SpkiError::UnknownKind),
        }
    }

    /// Reads the first PEM block `PUBLIC KEY` of a text (RFC 7468).
    ///
    /// # Errors
    /// [`SpkiError::NoPem`] if there is no such block; otherwise as [`Self::from_spki_der`].
    pub fn from_spki_pem(pem: &str) -> Result<Self, SpkiError> {
        let body: String = pem
            .split_once(BEGIN)
            .and_then(|(_, rest)| rest.split_once(END))
            .map(|(body, _)| body.split_whitespace().collect())
            .ok_or(SpkiError::NoPem)?;
        let der = STANDARD.decode(body).map_err(|_| SpkiError::Malformed)?;
        Self::from_spki_der(&der)
    }
}

/// Content octets of exactly one SEQUENCE.
fn sequence(der: &[u8]) -> Result<&[u8], SpkiError> {
    let object = tlv::parse_exact(der)?;
    if object.tag == Tag::SEQUENCE {
        Ok(object.value)
    } else {
        Err(SpkiError::Malformed)
    }
}
