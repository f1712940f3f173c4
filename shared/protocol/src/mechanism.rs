//! Signature mechanisms.

use countersign_cvc::{EcSignature, PublicKey, SignatureError};
use serde::{Deserialize, Serialize};

/// The hash functions of signatures. Clients hash, and send only the digest.
pub use countersign_cvc::HashAlgorithm as Hash;

/// A signature scheme together with its hash function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
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
    /// The RSA private key operation on a block that the requester padded. The server cannot check what is signed, so
    /// it allows this only for any content and only with keys for which an admin enabled it.
    RsaRaw,
}

/// The signature scheme of a mechanism.
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
    /// Every mechanism that has a hash function.
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

    /// The hash function, or `None` if the requester applies the padding.
    pub const fn hash(self) -> Option<Hash> {
        match self {
            Self::EcdsaSha256 | Self::RsaPkcs1Sha256 | Self::RsaPssSha256 => Some(Hash::Sha256),
            Self::EcdsaSha384 | Self::RsaPkcs1Sha384 | Self::RsaPssSha384 => Some(Hash::Sha384),
            Self::EcdsaSha512 | Self::RsaPkcs1Sha512 | Self::RsaPssSha512 => Some(Hash::Sha512),
            Self::RsaRaw => None,
        }
    }

    /// The mechanism with this scheme and hash function, or `None` for raw RSA, which has none.
    pub fn new(scheme: Scheme, hash: Hash) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|mechanism| mechanism.scheme() == scheme && mechanism.hash() == Some(hash))
    }

    /// The length in bytes of the input for this key: the length of the digest, or of the padded block.
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

    /// Verifies a signature over a digest. An ECDSA signature is in DER, and an RSA signature is as long as the
    /// modulus. The salt of PSS must be as long as the hash.
    ///
    /// # Errors
    /// The signature does not verify, or the key has another type.
    pub fn verify(
        self,
        key: &PublicKey,
        digest: &[u8],
        signature: &[u8],
    ) -> Result<(), SignatureError> {
        self.verify_salted(key, digest, None, signature)
    }

    /// Verifies a signature as [`Self::verify`] does, with a PSS salt of another length if `salt_length` is given.
    ///
    /// # Errors
    /// The signature does not verify, the key has another type, or `salt_length` is given for a scheme without a salt.
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

    /// The mechanisms that this key supports, without raw RSA, which an admin has to enable.
    pub fn of_key(key: &PublicKey) -> Vec<Self> {
        let supports = |mechanism: &Self| mechanism.is_for(key);
        Self::ALL.into_iter().filter(supports).collect()
    }

    /// Whether the key supports the mechanism.
    ///
    /// An EC key supports only hash functions that are not longer than the order of its curve. ECDSA would cut off a longer
    /// digest (FIPS 186-5, section 6.4.1), so that one signature would be valid for many digests: the digest that custodians
    /// approve and that the log records would not be the only one that was signed.
    pub fn is_for(self, key: &PublicKey) -> bool {
        match (self.scheme(), self.hash(), key) {
            (Scheme::Ecdsa, Some(hash), PublicKey::Ec(key)) => {
                // The orders of all supported curves have as many bytes as their fields.
                hash.digest_len() <= key.curve().field_len()
            }
            (Scheme::RsaPkcs1 | Scheme::RsaPss, Some(_), PublicKey::Rsa(_))
            | (Scheme::RsaRaw, None, PublicKey::Rsa(_)) => true,
            _ => false,
        }
    }

    /// The name on the wire and on the command line, such as `rsa-pss-sha256`.
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

/// A text that is not the name of a mechanism.
#[derive(Debug, thiserror::Error)]
#[error(
    "unknown signature mechanism `{0}`: expected ecdsa, rsa-pkcs1 or rsa-pss, followed by -sha256, -sha384 or \
     -sha512, or rsa-raw"
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
