//! The allowed origins and their servers' pinned keys: a TOML file that only its owner can read.

use std::{
    io::Write,
    path::{Path, PathBuf},
};

use countersign_protocol::{Timestamp, cvc::Fingerprint};
use serde::{Deserialize, Serialize};

use super::Origin;

const FILE: &str = "origins.toml";

/// The file, read anew at each question: `origins forget` works while a helper runs.
#[derive(Clone, Debug)]
pub struct OriginBook {
    folder: PathBuf,
}

/// One origin that the user has decided about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownOrigin {
    /// The origin.
    pub origin: Origin,
    /// The user said "always".
    pub allowed: bool,
    /// Key of its server, pinned at the first log-in or enrolment.
    pub server_key: Option<Fingerprint>,
    /// Pages that may always attach a card to this origin's server.
    pub attached_by: Vec<Origin>,
    /// When the entry was made.
    pub since: Timestamp,
}

/// The file can't be used. Nothing is allowed then.
#[derive(Debug, thiserror::Error)]
pub enum BookError {
    /// Reading or writing failed.
    #[error("{path}: {error}", path = .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        error: std::io::Error,
    },
    /// Not the expected content.
    #[error("{path} cannot be read: {why}. Repair or remove it", path = .path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Where and why.
        why: String,
    },
}

#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default, rename = "origin")]
    origins: Vec<Entry>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    url: String,
    allowed: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    server_key: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    attached_by: Vec<String>,
    since: Timestamp,
}

impl OriginBook {
    /// The book in this folder; the file appears with the first decision.
    pub fn new(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
        }
    }

    /// Everything that is known, in the order of the decisions.
    ///
    /// # Errors
    /// [`BookError`].
    pub fn list(&self) -> Result<Vec<KnownOrigin>, BookError> {
        let path = self.path();
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(BookError::Io { path, error }),
        };
        let malformed = |why: String| BookError::Malformed {
            path: path.clone(),
            why,
        };
        let file: File = toml::from_str(&text).map_err(|error| malformed(error.to_string()))?;
        let origin = |text: &String| {
            text.parse::<Origin>()
                .map_err(|error| malformed(format!("{text}: {error}")))
        };
        file.origins
            .into_iter()
            .map(|entry| {
                Ok(KnownOrigin {
                    origin: origin(&entry.url)?,
                    attached_by: entry
                        .attached_by
                        .iter()
                        .map(origin)
                        .collect::<Result<_, _>>()?,
                    allowed: entry.allowed,
                    server_key: entry
                        .server_key
                        .map(|hex| {
                            hex.parse()
                                .map_err(|_| malformed(format!("{hex} is no fingerprint")))
                        })
                        .transpose()?,
                    since: entry.since,
                })
            })
            .collect()
    }

    /// What is known of one origin.
    ///
    /// # Errors
    /// [`BookError`].
    pub fn find(&self, origin: &Origin) -> Result<Option<KnownOrigin>, BookError> {
        Ok(self
            .list()?
            .into_iter()
            .find(|known| known.origin == *origin))
    }

    /// The user said "always".
    ///
    /// # Errors
    /// [`BookError`].
    pub fn allow(&self, origin: &Origin) -> Result<(), BookError> {
        self.change(origin, |known| known.allowed = true)
    }

    /// The user said "always" to cards for `server` when this page asks.
    ///
    /// # Errors
    /// [`BookError`].
    pub fn allow_attaching(&self, page: &Origin, server: &Origin) -> Result<(), BookError> {
        self.change(server, |known| {
            if !known.attached_by.contains(page) {
                known.attached_by.push(page.clone());
            }
        })
    }

    /// The user accepted this server key for the origin.
    ///
    /// # Errors
    /// [`BookError`].
    pub fn pin(&self, origin: &Origin, key: &Fingerprint) -> Result<(), BookError> {
        self.change(origin, |known| known.server_key = Some(*key))
    }

    /// Forgets permission and pinned key; `false`: nothing was known.
    ///
    /// # Errors
    /// [`BookError`].
    pub fn forget(&self, origin: &Origin) -> Result<bool, BookError> {
        let mut all = self.list()?;
        let before = all.len();
        all.retain(|known| known.origin != *origin);
        let forgotten = all.len() < before;
        if forgotten {
            self.write(all)?;
        }
        Ok(forgotten)
    }

    fn change(
        &self,
        origin: &Origin,
        change: impl FnOnce(&mut KnownOrigin),
    ) -> Result<(), BookError> {
        let mut all = self.list()?;
        match all.iter_mut().find(|known| known.origin == *origin) {
            Some(known) => change(known),
            None => {
                let mut known = KnownOrigin {
                    origin: origin.clone(),
                    allowed: false,
                    server_key: None,
                    attached_by: Vec::new(),
                    since: Timestamp::now(),
                };
                change(&mut known);
                all.push(known);
            }
        }
        self.write(all)
    }

    fn write(&self, all: Vec<KnownOrigin>) -> Result<(), BookError> {
        let file = File {
            origins: all
                .into_iter()
                .map(|known| Entry {
                    url: known.origin.to_string(),
                    allowed: known.allowed,
                    server_key: known.server_key.map(|key| key.to_hex()),
                    attached_by: known.attached_by.iter().map(Origin::to_string).collect(),
                    since: known.since,
                })
                .collect(),
        };
        let path = self.path();
        let text = toml::to_string(&file).map_err(|error| BookError::Malformed {
            path: path.clone(),
            why: error.to_string(),
        })?;
        crate::private_file::replace(&path, |out| out.write_all(text.as_bytes()))
            .map_err(|error| BookError::Io { path, error })
    }

    fn path(&self) -> PathBuf {
        self.folder.join(FILE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(text: &str) -> Origin {
        text.parse().unwrap()
    }

    #[test]
    fn decisions_last_and_can_be_withdrawn() {
        let folder = tempfile::tempdir().unwrap();
        let book = OriginBook::new(&folder.path().join("new"));
        let a = origin("https://a.example");
        let key: Fingerprint = "11".repeat(32).parse().unwrap();
        assert_eq!(book.find(&a).unwrap(), None);
        book.allow(&a).unwrap();
        book.pin(&origin("https://b.example:8443"), &key).unwrap();
        assert!(book.find(&a).unwrap().unwrap().allowed);
        let b = book
            .find(&origin("https://b.example:8443"))
            .unwrap()
            .unwrap();
        assert_eq!((b.allowed, b.server_key), (false, Some(key)));
        assert!(book.forget(&a).unwrap());
        assert!(!book.forget(&a).unwrap());
        assert_eq!(book.list().unwrap().len(), 1);
    }

    #[test]
    fn a_damaged_book_allows_nothing() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(
            folder.path().join(FILE),
            "[[origin]]\nurl = \"https://a.example\"",
        )
        .unwrap();
        assert!(
            OriginBook::new(folder.path())
                .find(&origin("https://a.example"))
                .is_err()
        );
    }

    #[cfg(unix)]
    #[test]
    fn only_the_owner_can_read_it() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        OriginBook::new(folder.path())
            .allow(&origin("https://a.example"))
            .unwrap();
        let mode = std::fs::metadata(folder.path().join(FILE))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}
