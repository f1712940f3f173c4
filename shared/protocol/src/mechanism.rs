//! Signature mechanisms that a client may ask for.

use countersign_cvc::{EcSignature, PublicKey, SignatureError};
use serde::{Deserialize, Serialize};

/// Hash functions. The client hashes; only the digest travels.
pub use countersign_cvc::HashAlgorithm as Hash;

/// A signature scheme together with its hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mechanism {
    /// ECDSA over SHA-256; the signature is a DER `SEQUENCE { r, s }`.
    EcdsaSha256,
    /// ECDSA over SHA-384.
    EcdsaSha384,
    /// ECDSA over SHA-512.
    EcdsaSha512,
    /// RSASSA-PKCS1-v1_5 with SHA-256 (RFC 8017).
    RsaPkcs1Sha256,
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    RsaPkcs1Sha384,
    /// RSASSA-PKCS1-v1_5 with SHA-512.
    RsaPkcs1Sha512,
    /// RSASSA-PSS with SHA-256, MGF1 with the same hash, salt as long as the hash.
    RsaPssSha256,
    /// RSASSA-PSS with SHA-384.
    RsaPssSha384,
    /// RSASSA-PSS with SHA-512.
    RsaPssSha512,
    /// The RSA private operation on a block that the requester padded. Nobody can tell what it stands for: only under
    /// an open scope, with keys for which an admin allowed it.
    RsaRaw,
}

/// The family of a mechanism.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// ECDSA.
    Ecdsa,
    /// RSASSA-PKCS1-v1_5.
    RsaPkcs1,
    /// RSASSA-PSS.
    RsaPss,
    /// RSA without padding.
    RsaRaw,
}

impl Mechanism {
    /// Every mechanism with a hash.
    pub const ALL: [Self; 9] = [
        Self::EcdsaSha256,
        Self::EcdsaSha384,
        Self::EcdsaSha512,
        Self::RsaPkcs1Sha256,
        Self::RsaPkcs1Sha384,
        Self::RsaPkcs1Sha512,
        Self::RsaPssSha256,
        Self::RsaPssSha384,
        Self::RsaPssSha512,
    ];

    /// The hash function; `None`: the requester padded.
    pub const fn hash(self) -> Option<Hash> {
        match self {
            Self::EcdsaSha256 | Self::RsaPkcs1Sha256 | Self::RsaPssSha256 => Some(Hash::Sha256),
            Self::EcdsaSha384 | Self::RsaPkcs1Sha384 | Self::RsaPssSha384 => Some(Hash::Sha384),
            Self::EcdsaSha512 | Self::RsaPkcs1Sha512 | Self::RsaPssSha512 => Some(Hash::Sha512),
            Self::RsaRaw => None,
        }
    }

    /// The mechanism of this scheme and hash; `None`: raw RSA has no hash.
    pub fn new(scheme: Scheme, hash: Hash) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|mechanism| mechanism.scheme() == scheme && mechanism.hash() == Some(hash))
    }

    /// Length in bytes of what is signed with this key: the digest, or the block.
    pub fn input_len(self, key: &PublicKey) -> usize {
        match (self.hash(), key) {
            (Some(hash), _) => hash.digest_len(),
            (None, PublicKey::Rsa(key)) => key.modulus().len(),
            (None, PublicKey::Ec(_)) => 0,
        }
    }

    /// The signature scheme.
    pub const fn scheme(self) -> Scheme {
        match self {
            Self::EcdsaSha256 | Self::EcdsaSha384 | Self::EcdsaSha512 => Scheme::Ecdsa,
            Self::RsaPkcs1Sha256 | Self::RsaPkcs1Sha384 | Self::RsaPkcs1Sha512 => Scheme::RsaPkcs1,
            Self::RsaPssSha256 | Self::RsaPssSha384 | Self::RsaPssSha512 => Scheme::RsaPss,
            Self::RsaRaw => Scheme::RsaRaw,
        }
    }

    /// Verifies a signature over a digest: DER for ECDSA, as long as the modulus for RSA; PSS with the usual salt.
    ///
    /// # Errors
    /// The signature is wrong, or the key cannot make one of this kind.
    pub fn verify(
        self,
        key: &PublicKey,
        digest: &[u8],
        signature: &[u8],
    ) -> Result<(), SignatureError> {
        self.verify_salted(key, digest, None, signature)
    }

    /// [`Self::verify`] for a PSS signature whose salt has another length than the hash.
    ///
    /// # Errors
    /// As there; or a salt length where there is no salt.
    pub fn verify_salted(
        self,
        key: &PublicKey,
        digest: &[u8],
        salt_length: Option<u16>,
        signature: &[u8],
    ) -> Result<(), SignatureError> {
        match (self.scheme(), self.hash(), key, salt_length) {
            (Scheme::Ecdsa, Some(hash), PublicKey::Ec(key), None)
                if digest.len() == hash.digest_len() =>
            {
                key.verify_prehash(digest, &EcSignature::from_der(signature, key.curve())?)
            }
            (Scheme::RsaPkcs1, Some(hash), PublicKey::Rsa(key), None) => {
                key.verify_pkcs1(hash, digest, signature)
            }
            (Scheme::RsaPss, Some(hash), PublicKey::Rsa(key), salt) => {
                let salt = salt.map_or(hash.digest_len(), usize::from);
                key.verify_pss(hash, salt, digest, signature)
            }
            (Scheme::RsaRaw, None, PublicKey::Rsa(key), None) => key.verify_raw(digest, signature),
            _ => Err(SignatureError::WrongKeyType),
        }
    }

    /// What a key of this kind can do; raw RSA has to be allowed besides.
    pub fn of_key(key: &PublicKey) -> Vec<Self> {
        Self::ALL
            .into_iter()
            .filter(|mechanism| match key {
                PublicKey::Ec(_) => mechanism.scheme() == Scheme::Ecdsa,
                PublicKey::Rsa(_) => mechanism.scheme() != Scheme::Ecdsa,
            })
            .collect()
    }

    /// Name as on the wire and the command line, for example `rsa-pss-sha256`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::EcdsaSha256 => "ecdsa-sha256",
            Self::EcdsaSha384 => "ecdsa-sha384",
            Self::EcdsaSha512 => "ecdsa-sha512",
            Self::RsaPkcs1Sha256 => "rsa-pkcs1-sha256",
            Self::RsaPkcs1Sha384 => "rsa-pkcs1-sha384",
            Self::RsaPkcs1Sha512 => "rsa-pkcs1-sha512",
            Self::RsaPssSha256 => "rsa-pss-sha256",
            Self::RsaPssSha384 => "rsa-pss-sha384",
            Self::RsaPssSha512 => "rsa-pss-sha512",
            Self::RsaRaw => "rsa-raw",
        }
    }
}

impl std::fmt::Display for Mechanism {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Not the name of a mechanism.
#[derive(Debug, thiserror::Error)]
#[error(
    "`{0}` is no signature mechanism; known are ecdsa-, rsa-pkcs1- and rsa-pss- with sha256, sha384 or sha512"
)]
pub struct UnknownMechanism(String);

impl std::str::FromStr for Mechanism {
    type Err = UnknownMechanism;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .chain([Self::RsaRaw])
            .find(|mechanism| mechanism.as_str() == text)
            .ok_or_else(|| UnknownMechanism(text.to_owned()))
    }
}
