//! Maps between the card's algorithm numbers, the names in the cloud service's interface, and our mechanisms.

use countersign_protocol::{
    cvc::PublicKey,
    mechanism::{Hash, Mechanism, Scheme},
};

/// Names of the algorithms for which a key may be used. Algorithms without a name in the interface are left out.
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

/// Why a request does not select a mechanism.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoMechanism {
    #[error("`{0}` is not an algorithm of `signhash`: use ECDSA, RSA_PKCS1 or RSA_PSS")]
    Unknown(String),
    #[error(
        "the hash has 20 bytes, as SHA-1 does, which is broken: use SHA-256, SHA-384 or SHA-512"
    )]
    Sha1,
    #[error(
        "the hash has {0} bytes: expected 32 (SHA-256), 48 (SHA-384) or 64 (SHA-512). Send the bare hash without a DigestInfo"
    )]
    Length(usize),
    #[error(
        "a key of type {kind} cannot sign with {algorithm}: use a key of another type or another algorithm"
    )]
    Key {
        /// Type of the key, such as "EC secp256r1".
        kind: String,
        algorithm: String,
    },
    #[error(
        "a key of type {kind} cannot sign a hash of {length} bytes, because ECDSA would cut it off: use a shorter hash function"
    )]
    TooLong {
        /// Type of the key, such as "EC secp256r1".
        kind: String,
        length: usize,
    },
}

/// Selects the mechanism for an algorithm of the interface and a bare hash. The salt of PSS is as long as the hash, because the card
/// pads so.
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
    let kind = key.kind();
    match (mechanism.is_for(key), scheme, key) {
        (true, ..) => Ok(mechanism),
        (false, Scheme::Ecdsa, PublicKey::Ec(_)) => Err(NoMechanism::TooLong {
            kind,
            length: hash.len(),
        }),
        (false, ..) => Err(NoMechanism::Key {
            kind,
            algorithm: algorithm.into(),
        }),
    }
}
