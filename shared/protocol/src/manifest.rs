//! The list of digests that a quorum approves.

use serde::{Deserialize, Serialize};

use crate::{
    digest::Sha256Digest,
    file_digest::FileDigest,
    limits::{self, MAX_FILES},
    text::{self, UnreadableText, printable},
};

/// One file: the name that people read and the digest that is signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestFile {
    /// Name as the requester gave it; shown escaped, never used as a path.
    pub name: String,
    /// Digest of the content, by the hash function that its signature uses. In JSON a member of its own name, such as
    /// `sha256`; no others are allowed beside it.
    #[serde(flatten)]
    pub digest: FileDigest,
}

/// A validated list of files: not empty, no digest or name twice, no unreadable names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<ManifestFile>", into = "Vec<ManifestFile>")]
pub struct Manifest(Vec<ManifestFile>);

/// Why a list of files is no manifest.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// No file.
    #[error("the manifest is empty: name at least one file")]
    Empty,
    /// More than [`MAX_FILES`].
    #[error("the manifest has {0} files, {MAX_FILES} at most: split the request")]
    TooManyFiles(usize),
    /// One name stands for two contents, so nobody could tell what was approved.
    #[error("the file name {0:?} occurs twice: give every file a name of its own")]
    DuplicateName(String),
    /// A name is empty, too long, or could mislead the custodians who read it.
    #[error("the file name \"{}\" {why}: rename the file", printable(name))]
    UnreadableName {
        /// The name.
        name: String,
        /// The rule that it breaks.
        why: UnreadableText,
    },
}

impl Manifest {
    /// Checks the list.
    ///
    /// # Errors
    /// See [`ManifestError`].
    pub fn new(files: Vec<ManifestFile>) -> Result<Self, ManifestError> {
        if files.is_empty() {
            return Err(ManifestError::Empty);
        }
        if files.len() > MAX_FILES {
            return Err(ManifestError::TooManyFiles(files.len()));
        }
        let mut names = std::collections::HashSet::new();
        for file in &files {
            text::check(&file.name, limits::FILE_NAME).map_err(|why| {
                ManifestError::UnreadableName {
                    name: file.name.clone(),
                    why,
                }
            })?;
            if !names.insert(file.name.as_str()) {
                return Err(ManifestError::DuplicateName(file.name.clone()));
            }
        }
        Ok(Self(files))
    }

    /// The files, in the requester's order.
    pub fn files(&self) -> &[ManifestFile] {
        &self.0
    }

    /// Number of different contents: signatures that it takes to sign every file.
    pub fn distinct(&self) -> usize {
        let digests: std::collections::HashSet<_> =
            self.0.iter().map(|file| &file.digest).collect();
        digests.len()
    }

    /// Whether this digest may be signed.
    pub fn contains(&self, digest: &FileDigest) -> bool {
        self.0.iter().any(|file| file.digest == *digest)
    }

    /// SHA-256 over the canonical JSON (RFC 8785) of the list: what people compare.
    pub fn digest(&self) -> Sha256Digest {
        crate::dsse::canonical_digest(&self.0)
    }
}

impl TryFrom<Vec<ManifestFile>> for Manifest {
    type Error = ManifestError;

    fn try_from(files: Vec<ManifestFile>) -> Result<Self, Self::Error> {
        Self::new(files)
    }
}

impl From<Manifest> for Vec<ManifestFile> {
    fn from(manifest: Manifest) -> Self {
        manifest.0
    }
}
