//! Manifests: the lists of files that custodians approve.

use serde::{Deserialize, Serialize};

use crate::{
    digest::Sha256Digest,
    file_digest::FileDigest,
    limits::{self, MANIFEST_BYTES, MAX_FILES},
    text::{self, UnreadableText, printable},
};

/// A file in a manifest: its name, which custodians read, and its digest, which is signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ManifestFile {
    /// The name that the requester gave. It is displayed with escapes and never used as a path.
    pub name: String,
    /// The digest of the content, by the hash function that the signature uses. In JSON it is a member such as
    /// `sha256`, and no other members are allowed beside name and digest.
    #[serde(flatten)]
    pub digest: FileDigest,
}

/// A checked list of files: it is not empty, and no name occurs twice.
///
/// A new manifest has readable names and a limited size; [`Manifest::new`] and [`Manifest::check_new`] check them. Reading JSON
/// does not check them, so that a manifest that an older version accepted can still be read after the check became
/// stricter. A program that receives a manifest for a decision, as a server does in a request and a helper in a task,
/// therefore calls [`Manifest::check_new`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(value_type = Vec<ManifestFile>, description = "A list of files that is not empty and in which no name occurs twice."))]
#[serde(try_from = "Vec<ManifestFile>", into = "Vec<ManifestFile>")]
pub struct Manifest(Vec<ManifestFile>);

/// Why a list of files cannot be a manifest.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// The list has no files.
    #[error("the manifest is empty: list at least one file")]
    Empty,
    /// The list has more than [`MAX_FILES`] files.
    #[error("the manifest has {0} files, but the limit is {MAX_FILES}: split the request")]
    TooManyFiles(usize),
    /// The list is longer than [`limits::MANIFEST_BYTES`].
    #[error(
        "the file list has {0} bytes, but the limit is {MANIFEST_BYTES}: split the request, or use shorter names"
    )]
    TooLarge(usize),
    /// A name occurs twice, so that custodians could not tell which content they approve.
    #[error("the file name \"{}\" occurs twice: use a different name for each file", printable(.0))]
    DuplicateName(String),
    /// Two names look alike, so that custodians could not tell which content they approve.
    #[error("the file names \"{}\" and \"{}\" look alike: rename one of the files", printable(.0), printable(.1))]
    LookAlikes(String, String),
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
    /// Checks the list with its names, and keeps its order.
    ///
    /// # Errors
    /// A rule of [`ManifestError`] that the list breaks.
    pub fn new(files: Vec<ManifestFile>) -> Result<Self, ManifestError> {
        let manifest = Self::try_from(files)?;
        manifest.check_new()?;
        Ok(manifest)
    }

    /// Checks what a manifest from JSON does not guarantee: that every name is readable, and that the list is not too long to be
    /// approved.
    ///
    /// # Errors
    /// [`ManifestError::TooLarge`], [`ManifestError::UnreadableName`] or [`ManifestError::LookAlikes`].
    pub fn check_new(&self) -> Result<(), ManifestError> {
        let bytes = crate::dsse::canonical(&self.0).len();
        if bytes > MANIFEST_BYTES {
            return Err(ManifestError::TooLarge(bytes));
        }
        for file in &self.0 {
            text::check(&file.name, limits::FILE_NAME).map_err(|why| {
                ManifestError::UnreadableName {
                    name: file.name.clone(),
                    why,
                }
            })?;
        }
        let mut skeletons = std::collections::HashMap::new();
        for file in &self.0 {
            // Builds have files such as `glyph_0` and `glyph_O`, and a typeface can tell all of ASCII apart.
            let is_ascii = |other: &&String| other.is_ascii() && file.name.is_ascii();
            let before = skeletons.insert(text::skeleton(&file.name), &file.name);
            if let Some(other) = before.filter(|other| !is_ascii(other)) {
                return Err(ManifestError::LookAlikes(other.clone(), file.name.clone()));
            }
        }
        Ok(())
    }

    /// The files in the order in which the requester listed them.
    pub fn files(&self) -> &[ManifestFile] {
        &self.0
    }

    /// The number of different digests, which is the number of signatures that signing every file needs.
    pub fn distinct(&self) -> usize {
        let digests: std::collections::HashSet<_> =
            self.0.iter().map(|file| &file.digest).collect();
        digests.len()
    }

    /// Whether a file with this digest is listed.
    pub fn contains(&self, digest: &FileDigest) -> bool {
        self.0.iter().any(|file| file.digest == *digest)
    }

    /// SHA-256 over the canonical JSON (RFC 8785) of the list, which people compare.
    pub fn digest(&self) -> Sha256Digest {
        crate::dsse::canonical_digest(&self.0)
    }
}

/// Accepts every name, because the list can come from a database; see [`Manifest::check_new`].
impl TryFrom<Vec<ManifestFile>> for Manifest {
    type Error = ManifestError;

    fn try_from(files: Vec<ManifestFile>) -> Result<Self, Self::Error> {
        if files.is_empty() {
            return Err(ManifestError::Empty);
        }
        if files.len() > MAX_FILES {
            return Err(ManifestError::TooManyFiles(files.len()));
        }
        let mut names = std::collections::HashSet::new();
        if let Some(file) = files.iter().find(|file| !names.insert(file.name.as_str())) {
            return Err(ManifestError::DuplicateName(file.name.clone()));
        }
        Ok(Self(files))
    }
}

impl From<Manifest> for Vec<ManifestFile> {
    fn from(manifest: Manifest) -> Self {
        manifest.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(name: &str) -> String {
        let digest = "00".repeat(32);
        serde_json::json!([{ "name": name, "sha256": digest }]).to_string()
    }

    #[test]
    fn a_stored_manifest_can_be_read_although_its_names_are_refused_in_new_requests() {
        let stored = json("a\u{2003}b");
        let manifest: Manifest = serde_json::from_str(&stored).expect("the manifest is read");
        assert!(matches!(
            manifest.check_new(),
            Err(ManifestError::UnreadableName { .. })
        ));
        assert!(Manifest::new(manifest.files().to_vec()).is_err());
        let written = serde_json::to_string(&manifest).expect("serialisation succeeds");
        assert_eq!(
            serde_json::from_str::<Manifest>(&written).expect("the manifest is read"),
            manifest
        );
    }

    #[test]
    fn names_that_look_alike_are_refused_in_new_requests() {
        let digest = Sha256Digest([0; 32]);
        let files = |names: [&str; 2]| {
            let file = |name: &str| ManifestFile {
                name: name.to_owned(),
                digest: digest.into(),
            };
            names.map(file).to_vec()
        };
        for names in [
            ["boot.bin", "b\u{043E}ot.bin"],
            ["d\u{0456}sk0.img", "diskO.img"],
        ] {
            assert!(
                matches!(
                    Manifest::new(files(names)),
                    Err(ManifestError::LookAlikes(..))
                ),
                "{names:?}"
            );
            // Stored ones stay readable.
            assert!(Manifest::try_from(files(names)).is_ok());
        }
        for names in [["boot.bin", "boot.img"], ["glyph_0.png", "glyph_O.png"]] {
            assert!(Manifest::new(files(names)).is_ok(), "{names:?}");
        }
    }

    #[test]
    fn readable_names_pass_the_check_of_new_requests() {
        let manifest: Manifest = serde_json::from_str(&json("a b")).expect("the manifest is read");
        assert_eq!(manifest.check_new(), Ok(()));
    }
}
