//! DSSE envelopes (secure-systems-lab DSSE v1) with ECDSA-SHA-256 signatures in DER.

use countersign_cvc::{EcSignature, Fingerprint, PublicKey};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{digest::Sha256Digest, encoding::Base64};

/// A payload with its signatures.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Envelope {
    /// The bytes of the payload as they were signed.
    pub payload: Base64,
    /// The media type of the payload.
    pub payload_type: String,
    /// The signatures. Countersign always uses exactly one.
    pub signatures: Vec<EnvelopeSignature>,
}

/// One signature of an [`Envelope`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct EnvelopeSignature {
    /// The fingerprint of the signer's key in hexadecimal digits. The verifier uses the key that it expects, and rejects an
    /// envelope that names another one.
    pub keyid: String,
    /// The signature as DER `SEQUENCE { r, s }`, with the smaller of the two possible values of `s`.
    pub sig: Base64,
}

impl EnvelopeSignature {
    /// The signature in the only form that [`Envelope::verify`] accepts.
    pub fn new(signer: &Fingerprint, signature: &EcSignature) -> Self {
        Self {
            keyid: signer.to_hex(),
            sig: Base64(signature.normalised().to_der()),
        }
    }
}

/// A type of payload whose media type belongs to it alone.
pub trait Payload: Serialize + DeserializeOwned {
    /// The media type, which is signed together with the payload.
    const PAYLOAD_TYPE: &'static str;
}

/// Why an envelope was rejected.
#[derive(Debug, thiserror::Error)]
pub enum EnvelopeError {
    /// The envelope holds another type of statement.
    #[error("expected a statement of type {expected}, but received {found}")]
    WrongType {
        /// The media type that was expected.
        expected: &'static str,
        /// The media type of the envelope.
        found: String,
    },
    /// The envelope does not have exactly one signature.
    #[error("the statement must have exactly one signature, not {0}")]
    SignatureCount(usize),
    /// The signature is not that of the expected key.
    #[error("the statement is not signed by the key {0}")]
    WrongSignature(Fingerprint),
    /// The envelope is not in the only form in which this program writes it.
    #[error("the envelope of the statement was changed: {0}")]
    NotCanonical(&'static str),
    /// The payload is not what its media type says.
    #[error("the content of the signed statement is invalid: {0}")]
    Malformed(String),
}

/// The DSSE v1 pre-authentication encoding, which is hashed and signed.
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

/// A payload before it is signed. Sign its [`Unsigned::digest`] and add the signature with [`Unsigned::seal`].
#[derive(Clone, Debug)]
pub struct Unsigned {
    payload_type: &'static str,
    payload: Vec<u8>,
}

impl Unsigned {
    /// Serialises `payload` as canonical JSON (RFC 8785).
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

    /// Adds the signature over [`Self::digest`], in the only form that [`Envelope::verify`] accepts.
    pub fn seal(self, signer: &Fingerprint, signature: &EcSignature) -> Envelope {
        Envelope {
            payload: Base64(self.payload),
            payload_type: self.payload_type.to_owned(),
            signatures: vec![EnvelopeSignature::new(signer, signature)],
        }
    }
}

impl Envelope {
    /// Verifies the signature with `key` and returns the payload, which is parsed only after its signature was
    /// verified.
    ///
    /// # Errors
    /// The media type is another one, there is not exactly one signature, the signature or the key id is not in canonical
    /// form, the signature does not verify, or the payload is malformed.
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
        // Otherwise a signed envelope would have several forms, and its digest would identify only one of them.
        if plain.normalised().to_der() != signature.sig.as_bytes() {
            return Err(EnvelopeError::NotCanonical(
                "its signature is not in DER with the smaller value of s",
            ));
        }
        if signature.keyid != key.fingerprint().to_hex() {
            return Err(EnvelopeError::NotCanonical(
                "its key id is not the fingerprint of the key that signed it",
            ));
        }
        self.parse()
    }

    /// Returns the payload *without* verifying the signature, to find out which key to verify it with.
    ///
    /// # Errors
    /// The media type is another one, or the payload is malformed.
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

/// The canonical JSON (RFC 8785) of a wire type.
pub fn canonical<T: Serialize>(value: &T) -> Vec<u8> {
    // Wire types have string keys and integers only, so serialisation cannot fail. If it did, the empty payload would
    // match no digest.
    serde_json_canonicalizer::to_vec(value).unwrap_or_default()
}

/// SHA-256 over the canonical JSON of a wire type.
pub fn canonical_digest<T: Serialize>(value: &T) -> Sha256Digest {
    Sha256Digest::of(&canonical(value))
}
