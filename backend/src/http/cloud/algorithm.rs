//! Algorithms: the card's numbers, their names in the cloud service's interface, our mechanisms.

use countersign_protocol::{
    cvc::PublicKey,
    mechanism::{Hash, Mechanism, Scheme},
};

/// Names of what a key may be used for. What has no name in the interface is left out.
pub fn names(numbers: &[u8]) -> Vec<&'static str> {
    numbers.iter().filter_map(|number| name(*number)).collect()
}

fn name(number: u8) -> Option<&'static str> {
    Some(match number {
        0x10 => "CBC_ENC",
        0x11 => "CBC_DEC",
        0x18 => "CMAC",
        0x30 => "RSA_PKCS1",
        0x40 => "RSA_PSS",
        0x41 => "RSA_PSS_SHA1",
        0x43 => "RSA_PSS_SHA256",
        0x45 => "RSA_PSS_SHA512",
        0x70 => "ECDSA",
        0x71 => "ECDSA_SHA1",
        0x73 => "ECDSA_SHA256",
        0x74 => "ECDSA_SHA384",
        0x75 => "ECDSA_SHA512",
        0x92 => "WRAP",
        0x99 => "DERIVE_SP800_56C",
        0xA0 => "DEFAULT_SIGN",
        _ => return None,
    })
}

/// Why a request names no mechanism.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoMechanism {
    /// Name.
    #[error("`{0}` is no algorithm of `signhash`: ECDSA, RSA_PKCS1 and RSA_PSS are")]
    Unknown(String),
    /// SHA-1.
    #[error("20 bytes are a SHA-1, which is broken: hash with SHA-256, SHA-384 or SHA-512")]
    Sha1,
    /// Length.
    #[error(
        "{0} bytes are no hash that is signed here: SHA-256 has 32, SHA-384 48, SHA-512 64. Nothing goes around it, no DigestInfo"
    )]
    Length(usize),
    /// Kind of key.
    #[error("the key is {kind}: it cannot do {algorithm}")]
    Key {
        /// "EC secp256r1".
        kind: String,
        /// What was asked for.
        algorithm: String,
    },
}

/// The mechanism for an algorithm of the interface and a bare hash. PSS has a salt as long as the hash, as the card pads.
///
/// # Errors
/// [`NoMechanism`].
pub fn mechanism(algorithm: &str, hash: &[u8], key: &PublicKey) -> Result<Mechanism, NoMechanism> {
    let scheme = match algorithm {
        "ECDSA" => Scheme::Ecdsa,
        "RSA_PKCS1" => Scheme::RsaPkcs1,
        "RSA_PSS" => Scheme::RsaPss,
        other => return Err(NoMechanism::Unknown(other.into())),
    };
    let known = [Hash::Sha256, Hash::Sha384, Hash::Sha512];
    let mechanism = known
        .into_iter()
        .find(|known| known.digest_len() == hash.len())
        .and_then(|known| Mechanism::new(scheme, known))
        .ok_or(match hash.len() {
            20 => NoMechanism::Sha1,
            other => NoMechanism::Length(other),
        })?;
    if Mechanism::of_key(key).contains(&mechanism) {
        Ok(mechanism)
    } else {
        Err(NoMechanism::Key {
            kind: key.kind(),
            algorithm: algorithm.into(),
        })
    }
}
