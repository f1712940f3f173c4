//! Public keys, EC or RSA.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{
    curve::Curve,
    ec::{EcPublicKey, EcSignature, SignatureError},
    fingerprint::Fingerprint,
    rsa_key::RsaPublicKey,
};

/// A public key, EC or RSA.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(try_from = "Wire", into = "Wire")]
pub enum PublicKey {
    /// An EC key.
    Ec(EcPublicKey),
    /// An RSA key.
    Rsa(RsaPublicKey),
}

impl PublicKey {
    /// The curve of an EC key; `None` for an RSA key.
    pub fn curve(&self) -> Option<Curve> {
        match self {
            Self::Ec(key) => Some(key.curve()),
            Self::Rsa(_) => None,
        }
    }

    /// Kind and size for display, such as "EC secp256r1" or "RSA 2048".
    pub fn kind(&self) -> String {
        match self {
            Self::Ec(key) => format!("EC {}", key.curve()),
            Self::Rsa(key) => format!("RSA {}", key.bits()),
        }
    }

    /// Size in bits of the field or modulus.
    pub fn bits(&self) -> usize {
        match self {
            Self::Ec(key) => key.curve().bits(),
            Self::Rsa(key) => key.bits(),
        }
    }

    /// Verifies a signature over the SHA-256 of a message, encoded as in card-verifiable certificates: ECDSA as plain
    /// `r || s`, RSA as RSASSA-PKCS1-v1_5.
    ///
    /// # Errors
    /// The signature is malformed or does not verify.
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
    /// [`SignatureError::WrongKeyType`] for an RSA key; otherwise the signature does not verify.
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

    /// Fingerprint of the key: SHA-256 over its SubjectPublicKeyInfo in DER.
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint(Sha256::digest(self.to_spki_der()).into())
    }
}

/// A public key in JSON, with numbers and points in hexadecimal digits.
#[derive(Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "type", rename_all = "kebab-case")]
enum Wire {
    /// An EC key.
    Ec {
        /// The name of the curve.
        #[cfg_attr(feature = "openapi", schema(value_type = String, example = "secp256r1"))]
        curve: Curve,
        /// The uncompressed point.
        point: String,
    },
    /// An RSA key.
    Rsa {
        /// The modulus.
        modulus: String,
        /// The public exponent.
        exponent: String,
    },
}

#[cfg(feature = "openapi")]
impl utoipa::PartialSchema for PublicKey {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        Wire::schema()
    }
}

#[cfg(feature = "openapi")]
impl utoipa::ToSchema for PublicKey {}

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
