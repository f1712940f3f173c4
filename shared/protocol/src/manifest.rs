//! The list of digests that a quorum approves.

use serde::{Deserialize, Serialize};

use crate::{digest::Sha256Digest, file_digest::FileDigest};

/// Most files in one manifest: what a person can be asked to approve, and a request body can carry.
pub const MAX_FILES: usize = 20_000;
/// Longest file name, in bytes.
pub const MAX_NAME: usize = 1024;

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
    /// A name that could mislead the reader.
    #[error(
        "the file name {0:?} is empty, too long, or has control or text-direction characters: rename the file"
    )]
    UnreadableName(String),
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
            if !readable(&file.name) {
                return Err(ManifestError::UnreadableName(file.name.clone()));
            }
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

/// Text that a person can read without being misled: no controls, no bidirectional overrides, no invisible marks.
pub fn readable(text: &str) -> bool {
    !text.trim().is_empty()
        && text.len() <= MAX_NAME
        && !text.chars().any(|c| {
            c.is_control()
                || matches!(c,
                    '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{FEFF}' | '\u{061C}')
        })
}
