//! DSSE envelopes (secure-systems-lab DSSE v1) with ECDSA-SHA-256 signatures in DER.

use countersign_cvc::{EcSignature, Fingerprint, PublicKey};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{digest::Sha256Digest, encoding::Base64};

/// A signed payload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Envelope {
    /// The payload's bytes, as signed.
    pub payload: Base64,
    /// What the payload is.
    pub payload_type: String,
    /// Signatures; exactly one in all uses of this project.
    pub signatures: Vec<EnvelopeSignature>,
}

/// One signature of an [`Envelope`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnvelopeSignature {
    /// Fingerprint of the signer's key, in hex. A hint: verification uses the key that the verifier expects.
    pub keyid: String,
    /// DER `SEQUENCE { r, s }`.
    pub sig: Base64,
}

/// A payload type that has exactly one meaning.
pub trait Payload: Serialize + DeserializeOwned {
    /// The media type that is signed along.
    const PAYLOAD_TYPE: &'static str;
}

/// Why an envelope was not accepted.
#[derive(Debug, thiserror::Error)]
pub enum EnvelopeError {
    /// Another kind of statement.
    #[error("expected a {expected}, got a {found}")]
    WrongType {
        /// The type that this step needs.
        expected: &'static str,
        /// The type that came.
        found: String,
    },
    /// Not exactly one signature.
    #[error("the statement carries {0} signatures, exactly one is needed")]
    SignatureCount(usize),
    /// Signature does not verify.
    #[error("the statement is not signed by the key {0}")]
    WrongSignature(Fingerprint),
    /// Payload does not parse.
    #[error("the statement cannot be read: {0}")]
    Malformed(String),
}

/// DSSE v1 pre-authentication encoding: the bytes that are hashed and signed.
pub fn pre_authentication_encoding(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let mut out = format!(
        "DSSEv1 {} {} {} ",
        payload_type.len(),
        payload_type,
        payload.len()
    )
    .into_bytes();
    out.extend_from_slice(payload);
    out
}

/// A payload that is ready to be signed: hash it with SHA-256, sign, then [`Unsigned::seal`].
#[derive(Clone, Debug)]
pub struct Unsigned {
    payload_type: &'static str,
    payload: Vec<u8>,
}

impl Unsigned {
    /// Serialises `payload` canonically (RFC 8785).
    pub fn new<P: Payload>(payload: &P) -> Self {
        Self {
            payload_type: P::PAYLOAD_TYPE,
            payload: canonical(payload),
        }
    }

    /// SHA-256 over the pre-authentication encoding.
    pub fn digest(&self) -> Sha256Digest {
        Sha256Digest::of(&pre_authentication_encoding(
            self.payload_type,
            &self.payload,
        ))
    }

    /// Adds the signature over [`Self::digest`].
    pub fn seal(self, signer: &Fingerprint, signature: &EcSignature) -> Envelope {
        Envelope {
            payload: Base64(self.payload),
            payload_type: self.payload_type.to_owned(),
            signatures: vec![EnvelopeSignature {
                keyid: signer.to_hex(),
                sig: Base64(signature.to_der()),
            }],
        }
    }
}

impl Envelope {
    /// Verifies the signature with `key` and returns the payload.
    ///
    /// # Errors
    /// [`EnvelopeError`]; the payload is parsed only after its signature was found good.
    pub fn verify<P: Payload>(&self, key: &PublicKey) -> Result<P, EnvelopeError> {
        self.check_type::<P>()?;
        let [signature] = self.signatures.as_slice() else {
            return Err(EnvelopeError::SignatureCount(self.signatures.len()));
        };
        let wrong = || EnvelopeError::WrongSignature(key.fingerprint());
        let curve = key.curve().ok_or_else(wrong)?;
        let plain = EcSignature::from_der(signature.sig.as_bytes(), curve).map_err(|_| wrong())?;
        let digest = Sha256Digest::of(&pre_authentication_encoding(
            P::PAYLOAD_TYPE,
            self.payload.as_bytes(),
        ));
        key.verify_prehash(digest.as_bytes(), &plain)
            .map_err(|_| wrong())?;
        self.parse()
    }

    /// Reads the payload *without* verifying: to learn which key to verify with.
    ///
    /// # Errors
    /// Wrong type, or not readable.
    pub fn peek<P: Payload>(&self) -> Result<P, EnvelopeError> {
        self.check_type::<P>()?;
        self.parse()
    }

    fn check_type<P: Payload>(&self) -> Result<(), EnvelopeError> {
        if self.payload_type == P::PAYLOAD_TYPE {
            Ok(())
        } else {
            Err(EnvelopeError::WrongType {
                expected: P::PAYLOAD_TYPE,
                found: self.payload_type.clone(),
            })
        }
    }

    fn parse<P: Payload>(&self) -> Result<P, EnvelopeError> {
        serde_json::from_slice(self.payload.as_bytes())
            .map_err(|error| EnvelopeError::Malformed(error.to_string()))
    }
}

/// Canonical JSON (RFC 8785) of a wire type.
pub fn canonical<T: Serialize>(value: &T) -> Vec<u8> {
    // Wire types have string keys and integers only, so serialisation cannot fail; an empty payload matches nothing.
    serde_json_canonicalizer::to_vec(value).unwrap_or_default()
}

/// SHA-256 over the canonical JSON of a wire type.
pub fn canonical_digest<T: Serialize>(value: &T) -> Sha256Digest {
    Sha256Digest::of(&canonical(value))
}
