//! Signatures made under a lease.

use countersign_cvc::{Fingerprint, PublicKey, SignatureError};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    encoding::Base64,
    id::{ActivationId, SignatureId},
    mechanism::Mechanism,
};

/// Header that makes a retry safe: the same key and body get the same signature.
pub const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// `POST /api/v1/activations/{id}/signatures`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SignRequest {
    /// With which key; may be left out where the activation has only one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Fingerprint>,
    /// How.
    pub mechanism: Mechanism,
    /// The digest, in hex; as long as the mechanism's hash. For raw RSA the block, as long as the modulus.
    #[serde(with = "hex_bytes")]
    pub digest: Vec<u8>,
    /// Length of the salt in bytes, for RSASSA-PSS only; `None`: as long as the hash.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub salt_length: Option<u16>,
}

impl SignRequest {
    /// A request with the activation's only key, and the usual salt.
    pub const fn new(mechanism: Mechanism, digest: Vec<u8>) -> Self {
        Self {
            key: None,
            mechanism,
            digest,
            salt_length: None,
        }
    }

    /// Verifies what was answered.
    ///
    /// # Errors
    /// The signature is wrong, or the key cannot make one of this kind.
    pub fn verify(&self, key: &PublicKey, signature: &[u8]) -> Result<(), SignatureError> {
        self.mechanism
            .verify_salted(key, &self.digest, self.salt_length, signature)
    }
}

/// A signature that is in the store and in the audit log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SignatureView {
    /// Id.
    pub id: SignatureId,
    /// Under which activation.
    pub activation: ActivationId,
    /// By which key.
    pub key: Fingerprint,
    /// How.
    pub mechanism: Mechanism,
    /// Over which digest.
    #[serde(with = "hex_bytes")]
    pub digest: Vec<u8>,
    /// Length of the salt, where it is not the usual one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub salt_length: Option<u16>,
    /// File name in the manifest, if the digest is in one.
    pub name: Option<String>,
    /// DER for ECDSA, as long as the modulus for RSA.
    pub signature: Base64,
    /// When.
    pub made_at: Timestamp,
}

/// Bytes as lower-case hex in JSON.
pub mod hex_bytes {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    /// Writes hex.
    ///
    /// # Errors
    /// The serialiser's.
    pub fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex::encode(bytes))
    }

    /// Reads hex.
    ///
    /// # Errors
    /// The deserialiser's, or text that is not hex.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        hex::decode(String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}
