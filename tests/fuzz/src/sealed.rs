//! Signatures over bytes that a target changed before, so that the change reaches what follows the verification.

use countersign_cvc::EcSecretKey;
use countersign_protocol::{
    digest::Sha256Digest,
    dsse::{Envelope, EnvelopeSignature, pre_authentication_encoding},
    encoding::Base64,
};

/// An envelope with a valid signature over any payload.
pub fn seal(key: &EcSecretKey, payload_type: &str, payload: &[u8]) -> Envelope {
    let digest = Sha256Digest::of(&pre_authentication_encoding(payload_type, payload));
    let signature = key.sign_prehash(digest.as_bytes()).expect("a signature");
    Envelope {
        payload: Base64(payload.to_vec()),
        payload_type: payload_type.to_owned(),
        signatures: vec![EnvelopeSignature {
            keyid: key.public_key().fingerprint().to_hex(),
            sig: Base64(signature.normalised().to_der()),
        }],
    }
}
