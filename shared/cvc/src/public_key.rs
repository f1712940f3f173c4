//! Public keys of any kind.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{
    curve::Curve,
    ec::{EcPublicKey, EcSignature, SignatureError},
    fingerprint::Fingerprint,
    rsa_key::RsaPublicKey,
};

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
