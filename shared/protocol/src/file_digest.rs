//! Digests of what is signed, together with the name of the hash function.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{digest::Sha256Digest, mechanism::Hash};

/// The digest of a file. In JSON an in-toto digest set with one member, such as `{"sha256": "..."}`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(
    try_from = "BTreeMap<String, String>",
    into = "BTreeMap<String, String>"
)]
pub struct FileDigest {
    hash: Hash,
    bytes: Vec<u8>,
}

/// Not a digest.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a file has exactly one digest: `sha256`, `sha384` or `sha512`, in hex and as long as that"
)]
pub struct NoDigest;

const fn name(hash: Hash) -> &'static str {
    match hash {
        Hash::Sha256 => "sha256",
        Hash::Sha384 => "sha384",
        Hash::Sha512 => "sha512",
    }
}

impl FileDigest {
    /// The digest that this hash function made; `None`: it makes none of this length.
    pub fn new(hash: Hash, bytes: &[u8]) -> Option<Self> {
        (bytes.len() == hash.digest_len()).then(|| Self {
            hash,
            bytes: bytes.to_vec(),
        })
    }

    /// The hash function.
    pub const fn hash(&self) -> Hash {
        self.hash
    }

    /// In hex.
    pub fn hex(&self) -> String {
        hex::encode(&self.bytes)
    }

    /// What people see before the hex digits: nothing for SHA-256, which is usual and goes without saying.
    pub const fn prefix(&self) -> &'static str {
        match self.hash {
            Hash::Sha256 => "",
            Hash::Sha384 => "sha384:",
            Hash::Sha512 => "sha512:",
        }
    }

    /// What is signed.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl From<Sha256Digest> for FileDigest {
    fn from(digest: Sha256Digest) -> Self {
        Self {
            hash: Hash::Sha256,
            bytes: digest.as_bytes().to_vec(),
        }
    }
}

/// SHA-384.
impl From<[u8; 48]> for FileDigest {
    fn from(digest: [u8; 48]) -> Self {
        Self {
            hash: Hash::Sha384,
            bytes: digest.to_vec(),
        }
    }
}

/// SHA-512.
impl From<[u8; 64]> for FileDigest {
    fn from(digest: [u8; 64]) -> Self {
        Self {
            hash: Hash::Sha512,
            bytes: digest.to_vec(),
        }
    }
}

impl std::fmt::Display for FileDigest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}{}", self.prefix(), self.hex())
    }
}

impl TryFrom<BTreeMap<String, String>> for FileDigest {
    type Error = NoDigest;

    fn try_from(set: BTreeMap<String, String>) -> Result<Self, NoDigest> {
        let mut members = set.into_iter();
        let (Some((named, digest)), None) = (members.next(), members.next()) else {
            return Err(NoDigest);
        };
        let hash = [Hash::Sha256, Hash::Sha384, Hash::Sha512]
            .into_iter()
            .find(|hash| name(*hash) == named)
            .ok_or(NoDigest)?;
        let bytes = hex::decode(digest).map_err(|_| NoDigest)?;
        Self::new(hash, &bytes).ok_or(NoDigest)
    }
}

impl From<FileDigest> for BTreeMap<String, String> {
    fn from(digest: FileDigest) -> Self {
        Self::from([(name(digest.hash).to_owned(), digest.hex())])
    }
}
