//! What an activation is for.

use countersign_cvc::Fingerprint;
use serde::{Deserialize, Serialize};

use crate::manifest::Manifest;

/// What may be done once the HSM is open, and nothing else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    tag = "type",
    rename_all = "kebab-case",
    rename_all_fields = "camelCase"
)]
pub enum Purpose {
    /// Sign with one key.
    Sign {
        /// The key.
        key: KeyName,
        /// What may be signed.
        scope: Scope,
    },
    /// Generate one new key on the HSM, then lock.
    GenerateKey {
        /// Label of the new key.
        label: String,
        /// Its type.
        key_type: NewKeyType,
    },
}

/// A signing key as people and programs name it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyName {
    /// Label on the HSM.
    pub label: String,
    /// SHA-256 over the SubjectPublicKeyInfo: what counts.
    pub fingerprint: Fingerprint,
}

/// What may be signed under a lease.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum Scope {
    /// Only the files of this list.
    Manifest {
        /// The files.
        files: Manifest,
    },
    /// Any digest: custodians see this flagged.
    Open,
}

/// Types of key that can be generated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NewKeyType {
    /// EC on secp256r1 (NIST P-256).
    EcSecp256r1,
    /// EC on brainpoolP256r1.
    EcBrainpoolP256r1,
    /// EC on secp384r1 (NIST P-384).
    EcSecp384r1,
    /// RSA, 2048 bits.
    Rsa2048,
    /// RSA, 3072 bits.
    Rsa3072,
    /// RSA, 4096 bits.
    Rsa4096,
}

impl NewKeyType {
    /// Every type.
    pub const ALL: [Self; 6] = [
        Self::EcSecp256r1,
        Self::EcBrainpoolP256r1,
        Self::EcSecp384r1,
        Self::Rsa2048,
        Self::Rsa3072,
        Self::Rsa4096,
    ];

    /// Name for people.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::EcSecp256r1 => "EC secp256r1",
            Self::EcBrainpoolP256r1 => "EC brainpoolP256r1",
            Self::EcSecp384r1 => "EC secp384r1",
            Self::Rsa2048 => "RSA 2048",
            Self::Rsa3072 => "RSA 3072",
            Self::Rsa4096 => "RSA 4096",
        }
    }
}

impl std::fmt::Display for NewKeyType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}
