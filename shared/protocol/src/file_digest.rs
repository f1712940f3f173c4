//! Digests of the content that is signed, together with the hash function.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{digest::Sha256Digest, mechanism::Hash};

/// The digest of a file. In JSON it is an in-toto digest set with one member, such as `{"sha256": "..."}`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(
    try_from = "BTreeMap<String, String>",
    into = "BTreeMap<String, String>"
)]
pub struct FileDigest {
    hash: Hash,
    bytes: Vec<u8>,
}

/// A JSON object that is not the digest of a file.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected exactly one digest, named `sha256`, `sha384` or `sha512`, with as many hexadecimal \
     digits as that hash function has"
)]
pub struct InvalidFileDigest;

const fn name(hash: Hash) -> &'static str {
    match hash {
        Hash::Sha256 => "sha256",
        Hash::Sha384 => "sha384",
        Hash::Sha512 => "sha512",
    }
}

#[cfg(feature = "openapi")]
impl utoipa::PartialSchema for FileDigest {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        use utoipa::openapi::schema::{ObjectBuilder, OneOfBuilder, Type};
        let hashes = [Hash::Sha256, Hash::Sha384, Hash::Sha512].into_iter();
        hashes
            .fold(OneOfBuilder::new(), |one_of, hash| {
                let digits = hash.digest_len() * 2;
                let digest = ObjectBuilder::new()
                    .schema_type(Type::String)
                    .pattern(Some(format!("^[0-9A-Fa-f]{{{digits}}}$")));
                one_of.item(
                    ObjectBuilder::new()
                        .property(name(hash), digest)
                        .required(name(hash)),
                )
            })
            .description(Some(
                "One digest in hexadecimal digits, named after its hash function.",
            ))
            .into()
    }
}

#[cfg(feature = "openapi")]
impl utoipa::ToSchema for FileDigest {}

impl FileDigest {
    /// A digest by this hash function, or `None` if the length is not that of the hash function.
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

    /// The name of the hash function in JSON, such as `sha256`.
    pub const fn hash_name(&self) -> &'static str {
        name(self.hash)
    }

    /// The digest in hexadecimal digits.
    pub fn hex(&self) -> String {
        hex::encode(&self.bytes)
    }

    /// The prefix that screens show before the hexadecimal digits. It is empty for SHA-256, the usual hash function.
    pub const fn prefix(&self) -> &'static str {
        match self.hash {
            Hash::Sha256 => "",
            Hash::Sha384 => "sha384:",
            Hash::Sha512 => "sha512:",
        }
    }

    /// The bytes of the digest.
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

/// A SHA-384 digest.
impl From<[u8; 48]> for FileDigest {
    fn from(digest: [u8; 48]) -> Self {
        Self {
            hash: Hash::Sha384,
            bytes: digest.to_vec(),
        }
    }
}

/// A SHA-512 digest.
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
    type Error = InvalidFileDigest;

    fn try_from(set: BTreeMap<String, String>) -> Result<Self, InvalidFileDigest> {
        let mut members = set.into_iter();
        let (Some((named, digest)), None) = (members.next(), members.next()) else {
            return Err(InvalidFileDigest);
        };
        let hash = [Hash::Sha256, Hash::Sha384, Hash::Sha512]
            .into_iter()
            .find(|hash| name(*hash) == named)
            .ok_or(InvalidFileDigest)?;
        let bytes = hex::decode(digest).map_err(|_| InvalidFileDigest)?;
        Self::new(hash, &bytes).ok_or(InvalidFileDigest)
    }
}

impl From<FileDigest> for BTreeMap<String, String> {
    fn from(digest: FileDigest) -> Self {
        Self::from([(name(digest.hash).to_owned(), digest.hex())])
    }
}
