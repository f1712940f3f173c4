//! Signatures that are made under a lease.

use countersign_cvc::{Fingerprint, PublicKey, SignatureError};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    encoding::Base64,
    id::{ActivationId, SignatureId},
    mechanism::Mechanism,
};

/// The header that makes a retry safe, because the same key and body return the same signature.
pub const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// The body of `POST /api/v1/activations/{id}/signatures`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SignRequest {
    /// The key that signs. It can be left out if the activation has only one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Fingerprint>,
    /// The signature mechanism.
    pub mechanism: Mechanism,
    /// The digest, as long as the mechanism's hash, in hexadecimal digits. For raw RSA it is the padded block, as long
    /// as the modulus.
    #[serde(with = "hex_bytes")]
    #[cfg_attr(feature = "openapi", schema(value_type = String, pattern = "^([0-9A-Fa-f]{2})*$"))]
    pub digest: Vec<u8>,
    /// The length of the salt in bytes, for RSASSA-PSS only. Without it the salt is as long as the hash.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub salt_length: Option<u16>,
}

impl SignRequest {
    /// A request to sign with the only key of the activation and the usual salt.
    pub const fn new(mechanism: Mechanism, digest: Vec<u8>) -> Self {
        Self {
            key: None,
            mechanism,
            digest,
            salt_length: None,
        }
    }

    /// Verifies the signature that the server returned.
    ///
    /// # Errors
    /// The signature does not verify, or the key has another type.
    pub fn verify(&self, key: &PublicKey, signature: &[u8]) -> Result<(), SignatureError> {
        self.mechanism
            .verify_salted(key, &self.digest, self.salt_length, signature)
    }
}

/// A signature that is stored and recorded in the audit log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct SignatureView {
    /// The identifier of the signature.
    pub id: SignatureId,
    /// The activation that allowed the signature.
    pub activation: ActivationId,
    /// The key that signed.
    pub key: Fingerprint,
    /// The signature mechanism.
    pub mechanism: Mechanism,
    /// The signed digest.
    #[serde(with = "hex_bytes")]
    #[cfg_attr(feature = "openapi", schema(value_type = String, pattern = "^([0-9A-Fa-f]{2})*$"))]
    pub digest: Vec<u8>,
    /// The length of the salt in bytes, if it differs from the length of the hash.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub salt_length: Option<u16>,
    /// The name of the file in the manifest, if the digest is listed in one.
    pub name: Option<String>,
    /// The signature: in DER for ECDSA, and as long as the modulus for RSA.
    pub signature: Base64,
    /// The time of the signature.
    pub made_at: Timestamp,
}

/// Bytes as lower-case hexadecimal digits in JSON.
pub mod hex_bytes {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    /// Writes bytes as hexadecimal digits.
    ///
    /// # Errors
    /// The serialiser failed.
    pub fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex::encode(bytes))
    }

    /// Reads bytes from hexadecimal digits.
    ///
    /// # Errors
    /// The deserialiser failed, or the text does not consist of hexadecimal digits.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        hex::decode(String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}
