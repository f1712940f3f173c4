//! Public keys of any kind.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{
    curve::Curve,
    ec::{EcPublicKey, EcSignature, SignatureError, integer},
    fingerprint::Fingerprint,
    rsa_key::RsaPublicKey,
    tlv::{Tag, TlvWriter},
};

const SEQUENCE: Tag = Tag(0x30);
const OBJECT_IDENTIFIER: Tag = Tag(0x06);
const BIT_STRING: Tag = Tag(0x03);
const INTEGER: Tag = Tag(0x02);
const NULL: Tag = Tag(0x05);
/// id-ecPublicKey, 1.2.840.10045.2.1.
const EC_PUBLIC_KEY: &[u8] = &[0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x02, 0x01];
/// rsaEncryption, 1.2.840.113549.1.1.1.
const RSA_ENCRYPTION: &[u8] = &[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x01, 0x01];

/// A public key.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(try_from = "Wire", into = "Wire")]
pub enum PublicKey {
    /// Elliptic curve.
    Ec(EcPublicKey),
    /// RSA.
    Rsa(RsaPublicKey),
}

impl PublicKey {
    /// The curve, if it is an EC key.
    pub fn curve(&self) -> Option<Curve> {
        match self {
            Self::Ec(key) => Some(key.curve()),
            Self::Rsa(_) => None,
        }
    }

    /// Kind and size for people: "EC secp256r1", "RSA 2048".
    pub fn kind(&self) -> String {
        match self {
            Self::Ec(key) => format!("EC {}", key.curve()),
            Self::Rsa(key) => format!("RSA {}", key.bits()),
        }
    }

    /// Size in bits.
    pub fn bits(&self) -> usize {
        match self {
            Self::Ec(key) => key.curve().bits(),
            Self::Rsa(key) => key.bits(),
        }
    }

    /// Verifies a signature with SHA-256 over a message: ECDSA with plain `r || s`, or RSASSA-PKCS1-v1_5. These are the
    /// two forms in card-verifiable certificates.
    ///
    /// # Errors
    /// [`SignatureError`].
    pub fn verify_sha256(&self, message: &[u8], signature: &[u8]) -> Result<(), SignatureError> {
        match self {
            Self::Ec(key) => {
                let signature = EcSignature::from_plain(signature, key.curve())?;
                key.verify_prehash(&Sha256::digest(message), &signature)
            }
            Self::Rsa(key) => key.verify_message(message, signature),
        }
    }

    /// Verifies an ECDSA signature over a digest.
    ///
    /// # Errors
    /// [`SignatureError`]; an RSA key gives [`SignatureError::WrongKeyType`].
    pub fn verify_prehash(
        &self,
        digest: &[u8],
        signature: &EcSignature,
    ) -> Result<(), SignatureError> {
        match self {
            Self::Ec(key) => key.verify_prehash(digest, signature),
            Self::Rsa(_) => Err(SignatureError::WrongKeyType),
        }
    }

    /// SHA-256 over the SubjectPublicKeyInfo.
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint(Sha256::digest(self.to_spki_der()).into())
    }

    /// SubjectPublicKeyInfo (RFC 5280, RFC 5480, RFC 3279) in DER.
    pub fn to_spki_der(&self) -> Vec<u8> {
        let (algorithm, key) = match self {
            Self::Ec(key) => (
                TlvWriter::new()
                    .with(OBJECT_IDENTIFIER, EC_PUBLIC_KEY)
                    .with(OBJECT_IDENTIFIER, key.curve().oid())
                    .wrap(SEQUENCE),
                key.point().to_vec(),
            ),
            Self::Rsa(key) => (
                TlvWriter::new()
                    .with(OBJECT_IDENTIFIER, RSA_ENCRYPTION)
                    .with(NULL, &[])
                    .wrap(SEQUENCE),
                TlvWriter::new()
                    .with(INTEGER, &integer(key.modulus()))
                    .with(INTEGER, &integer(key.exponent()))
                    .wrap(SEQUENCE),
            ),
        };
        TlvWriter::new()
            .with_raw(&algorithm)
            .with(BIT_STRING, &[&[0], key.as_slice()].concat())
            .wrap(SEQUENCE)
    }

    /// SubjectPublicKeyInfo in PEM, as openssl reads it.
    pub fn to_spki_pem(&self) -> String {
        use base64::{Engine, engine::general_purpose::STANDARD};
        let text = STANDARD.encode(self.to_spki_der());
        let mut pem = String::from("-----BEGIN PUBLIC KEY-----\n");
        for line in text.as_bytes().chunks(64) {
            pem.push_str(&String::from_utf8_lossy(line));
            pem.push('\n');
        }
        pem.push_str("-----END PUBLIC KEY-----\n");
        pem
    }

    /// Reads a SubjectPublicKeyInfo in DER.
    ///
    /// # Errors
    /// Not such a key, or of a kind that this project does not know; in words.
    pub fn from_spki_der(der: &[u8]) -> Result<Self, String> {
        use crate::tlv;
        let malformed = |_| "this is not a SubjectPublicKeyInfo".to_owned();
        let outer = tlv::parse_exact(der).map_err(malformed)?;
        let parts = tlv::parse_all(outer.value).map_err(malformed)?;
        let [algorithm, key] = parts.as_slice() else {
            return Err("this is not a SubjectPublicKeyInfo".into());
        };
        let algorithm = tlv::parse_all(algorithm.value).map_err(malformed)?;
        let key = key
            .value
            .strip_prefix(&[0])
            .ok_or("the key's bits are not whole bytes")?;
        match algorithm.as_slice() {
            [oid, curve] if oid.value == EC_PUBLIC_KEY => {
                let curve = Curve::ALL
                    .into_iter()
                    .find(|known| known.oid() == curve.value)
                    .ok_or("the key is on an unknown curve")?;
                EcPublicKey::new(curve, key)
                    .map(Self::Ec)
                    .map_err(|error| error.to_string())
            }
            [oid, ..] if oid.value == RSA_ENCRYPTION => {
                let sequence = tlv::parse_exact(key).map_err(malformed)?;
                let numbers = tlv::parse_all(sequence.value).map_err(malformed)?;
                let [modulus, exponent] = numbers.as_slice() else {
                    return Err("the RSA key has not two numbers".into());
                };
                RsaPublicKey::new(modulus.value, exponent.value)
                    .map(Self::Rsa)
                    .map_err(|error| error.to_string())
            }
            _ => Err("the key is neither EC nor RSA".into()),
        }
    }

    /// Reads a PEM block `PUBLIC KEY`.
    ///
    /// # Errors
    /// As [`Self::from_spki_der`].
    pub fn from_spki_pem(pem: &str) -> Result<Self, String> {
        use base64::{Engine, engine::general_purpose::STANDARD};
        let body = pem
            .split_once("-----BEGIN PUBLIC KEY-----")
            .and_then(|(_, rest)| rest.split_once("-----END PUBLIC KEY-----"))
            .map(|(body, _)| body.split_whitespace().collect::<String>())
            .ok_or("there is no `BEGIN PUBLIC KEY` block in the file")?;
        let der = STANDARD.decode(body).map_err(|error| error.to_string())?;
        Self::from_spki_der(&der)
    }
}

/// Form in JSON.
#[derive(Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
enum Wire {
    Ec { curve: Curve, point: String },
    Rsa { modulus: String, exponent: String },
}

impl From<PublicKey> for Wire {
    fn from(key: PublicKey) -> Self {
        match key {
            PublicKey::Ec(key) => Self::Ec {
                curve: key.curve(),
                point: hex::encode(key.point()),
            },
            PublicKey::Rsa(key) => Self::Rsa {
                modulus: hex::encode(key.modulus()),
                exponent: hex::encode(key.exponent()),
            },
        }
    }
}

impl TryFrom<Wire> for PublicKey {
    type Error = String;

    fn try_from(wire: Wire) -> Result<Self, String> {
        let bytes = |text: &str| hex::decode(text).map_err(|error| error.to_string());
        match wire {
            Wire::Ec { curve, point } => EcPublicKey::new(curve, &bytes(&point)?)
                .map(Self::Ec)
                .map_err(|error| error.to_string()),
            Wire::Rsa { modulus, exponent } => {
                RsaPublicKey::new(&bytes(&modulus)?, &bytes(&exponent)?)
                    .map(Self::Rsa)
                    .map_err(|error| error.to_string())
            }
        }
    }
}
