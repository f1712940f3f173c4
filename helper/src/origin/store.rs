//! Stores the allowed origins and their servers' pinned keys in a TOML file that only its owner can read.

use std::{
    io::Write,
    path::{Path, PathBuf},
};

use countersign_protocol::{
    Timestamp,
    cvc::{DeviceId, Fingerprint},
};
use serde::{Deserialize, Serialize};

use super::Origin;

const FILE: &str = "origins.toml";

/// The store. It reads the file for each query, so that `origins forget` takes effect while a helper runs.
#[derive(Clone, Debug)]
pub struct OriginStore {
    directory: PathBuf,
}

/// An origin that the user has decided about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownOrigin {
    pub origin: Origin,
    /// Whether the user has always allowed the page.
    pub allowed: bool,
    /// The key of the server, pinned at the first log-in or enrolment.
    pub server_key: Option<Fingerprint>,
    /// Pages that may always attach a card to this origin's server.
    pub attached_by: Vec<Origin>,
    /// HSMs that the user has approved for under this server.
    pub approved_hsms: Vec<DeviceId>,
    /// When the entry was created.
    pub since: Timestamp,
}

/// The file cannot be used, so nothing is allowed.
#[derive(Debug, thiserror::Error)]
pub enum OriginStoreError {
    #[error("cannot read or write {path}: {error}", path = .path.display())]
    Io {
        path: PathBuf,
        error: std::io::Error,
    },
    #[error("{path} is damaged: {why}. Repair it, or delete it to forget all origins and server keys", path = .path.display())]
    Malformed { path: PathBuf, why: String },
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
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    approved_hsms: Vec<String>,
    since: Timestamp,
}

impl OriginStore {
    /// The store in this directory. Its file is created with the first decision.
    pub fn new(directory: &Path) -> Self {
        Self {
            directory: directory.to_owned(),
        }
    }

    /// All entries, in the order in which they were created.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn list(&self) -> Result<Vec<KnownOrigin>, OriginStoreError> {
        let path = self.path();
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(OriginStoreError::Io { path, error }),
        };
        let malformed = |why: String| OriginStoreError::Malformed {
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
                    approved_hsms: entry
                        .approved_hsms
                        .iter()
                        .map(|text| {
                            text.parse::<DeviceId>()
                                .map_err(|error| malformed(format!("{text}: {error}")))
                        })
                        .collect::<Result<_, _>>()?,
                    allowed: entry.allowed,
                    server_key: entry
                        .server_key
                        .map(|hex| {
                            hex.parse()
                                .map_err(|_| malformed(format!("invalid fingerprint {hex}")))
                        })
                        .transpose()?,
                    since: entry.since,
                })
            })
            .collect()
    }

    /// The entry of one origin.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn find(&self, origin: &Origin) -> Result<Option<KnownOrigin>, OriginStoreError> {
        Ok(self
            .list()?
            .into_iter()
            .find(|known| known.origin == *origin))
    }

    /// Always allows the page to use the helper.
    ///
    /// # Errors
    /// The file cannot be read or written.
    pub fn allow(&self, origin: &Origin) -> Result<(), OriginStoreError> {
        self.change(origin, |known| known.allowed = true)
    }

    /// Always allows this page to attach a card to `server`.
    ///
    /// # Errors
    /// The file cannot be read or written.
    pub fn allow_attaching(&self, page: &Origin, server: &Origin) -> Result<(), OriginStoreError> {
        self.change(server, |known| {
            if !known.attached_by.contains(page) {
                known.attached_by.push(page.clone());
            }
        })
    }

    /// Pins the server key of the origin.
    ///
    /// # Errors
    /// The file cannot be read or written.
    pub fn pin(&self, origin: &Origin, key: &Fingerprint) -> Result<(), OriginStoreError> {
        self.change(origin, |known| known.server_key = Some(*key))
    }

    /// Records, durably, that the user approves for this HSM under this server.
    ///
    /// # Errors
    /// The file cannot be read or written.
    pub fn note_approved(&self, server: &Origin, hsm: &DeviceId) -> Result<(), OriginStoreError> {
        let known = self.find(server)?;
        if known.is_some_and(|known| known.approved_hsms.contains(hsm)) {
            return Ok(());
        }
        self.change(server, |known| known.approved_hsms.push(hsm.clone()))
    }

    /// Another server under which the user has approved for this HSM.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn approved_elsewhere(
        &self,
        server: &Origin,
        hsm: &DeviceId,
    ) -> Result<Option<Origin>, OriginStoreError> {
        Ok(self
            .list()?
            .into_iter()
            .find(|known| known.origin != *server && known.approved_hsms.contains(hsm))
            .map(|known| known.origin))
    }

    /// Revokes all permissions of the origin and forgets its pinned key. Returns `false` if the origin has no entry.
    ///
    /// # Errors
    /// The file cannot be read or written.
    pub fn forget(&self, origin: &Origin) -> Result<bool, OriginStoreError> {
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
    ) -> Result<(), OriginStoreError> {
        let mut all = self.list()?;
        match all.iter_mut().find(|known| known.origin == *origin) {
            Some(known) => change(known),
            None => {
                let mut known = KnownOrigin {
                    origin: origin.clone(),
                    allowed: false,
                    server_key: None,
                    attached_by: Vec::new(),
                    approved_hsms: Vec::new(),
                    since: Timestamp::now(),
                };
                change(&mut known);
                all.push(known);
            }
        }
        self.write(all)
    }

    fn write(&self, all: Vec<KnownOrigin>) -> Result<(), OriginStoreError> {
        let file = File {
            origins: all
                .into_iter()
                .map(|known| Entry {
                    url: known.origin.to_string(),
                    allowed: known.allowed,
                    server_key: known.server_key.map(|key| key.to_hex()),
                    attached_by: known.attached_by.iter().map(Origin::to_string).collect(),
                    approved_hsms: known
                        .approved_hsms
                        .iter()
                        .map(DeviceId::to_string)
                        .collect(),
                    since: known.since,
                })
                .collect(),
        };
        let path = self.path();
        let text = toml::to_string(&file).map_err(|error| OriginStoreError::Malformed {
            path: path.clone(),
            why: error.to_string(),
        })?;
        crate::private_file::replace(&path, |out| out.write_all(text.as_bytes()))
            .map_err(|error| OriginStoreError::Io { path, error })
    }

    fn path(&self) -> PathBuf {
        self.directory.join(FILE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(text: &str) -> Origin {
        text.parse().unwrap()
    }

    #[test]
    fn decisions_are_stored_and_can_be_forgotten() {
        let directory = tempfile::tempdir().unwrap();
        let store = OriginStore::new(&directory.path().join("new"));
        let a = origin("https://a.example");
        let key: Fingerprint = "11".repeat(32).parse().unwrap();
        assert_eq!(store.find(&a).unwrap(), None);
        store.allow(&a).unwrap();
        store.pin(&origin("https://b.example:8443"), &key).unwrap();
        assert!(store.find(&a).unwrap().unwrap().allowed);
        let b = store
            .find(&origin("https://b.example:8443"))
            .unwrap()
            .unwrap();
        assert_eq!((b.allowed, b.server_key), (false, Some(key)));
        assert!(store.forget(&a).unwrap());
        assert!(!store.forget(&a).unwrap());
        assert_eq!(store.list().unwrap().len(), 1);
    }

    #[test]
    fn a_damaged_file_is_an_error() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(
            directory.path().join(FILE),
            "[[origin]]\nurl = \"https://a.example\"",
        )
        .unwrap();
        assert!(
            OriginStore::new(directory.path())
                .find(&origin("https://a.example"))
                .is_err()
        );
    }

    #[cfg(unix)]
    #[test]
    fn only_the_owner_can_read_the_file() {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().unwrap();
        OriginStore::new(directory.path())
            .allow(&origin("https://a.example"))
            .unwrap();
        let mode = std::fs::metadata(directory.path().join(FILE))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}
