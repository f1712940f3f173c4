//! The purpose of an activation.

use countersign_cvc::Fingerprint;
use serde::{Deserialize, Serialize};

use crate::{
    limits::MAX_KEYS,
    manifest::Manifest,
    text::{all_of, count, plural},
};

/// What may be done while the HSM is open. Nothing else is possible.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum Purpose {
    /// Sign with existing keys.
    Sign {
        /// The keys of the HSM that may be used.
        keys: KeySet,
        /// The content that may be signed.
        scope: Scope,
    },
    /// Generate one new key, after which the HSM locks.
    #[serde(rename_all = "camelCase")]
    GenerateKey {
        /// The label of the new key.
        label: String,
        /// The type of the new key.
        key_type: NewKeyType,
    },
}

impl Purpose {
    /// The purpose in words, such as `sign 3 files with key "release"`. The function `name` writes the label of a key
    /// as the medium requires: in quotes, and followed by the fingerprint, if the key exists and the reader needs it.
    pub fn in_words(&self, name: impl Fn(&str, Option<&Fingerprint>) -> String) -> String {
        self.in_words_with(0, name)
    }

    /// The same for the purpose in a list or event, which leaves out this number of files.
    pub fn in_words_with(
        &self,
        omitted_files: u32,
        name: impl Fn(&str, Option<&Fingerprint>) -> String,
    ) -> String {
        match self {
            Self::Sign { keys, scope } => {
                let content = match scope {
                    Scope::Manifest { files } => {
                        count(files.files().len() + omitted_files as usize, "file")
                    }
                    Scope::Open => "any content".to_owned(),
                };
                format!("sign {content} with {}", keys.in_words(name))
            }
            Self::GenerateKey { label, key_type } => {
                format!("generate key {} ({key_type})", name(label, None))
            }
        }
    }
}

/// The name of a signing key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct KeyName {
    /// The label on the HSM.
    pub label: String,
    /// SHA-256 over the SubjectPublicKeyInfo. It identifies the key; the label does not.
    pub fingerprint: Fingerprint,
}

/// The keys of one activation: at least one, none of them twice, ordered by label.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(value_type = Vec<KeyName>))]
#[serde(try_from = "Vec<KeyName>", into = "Vec<KeyName>")]
pub struct KeySet(Vec<KeyName>);

/// Why a list of keys cannot be a [`KeySet`].
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeySetError {
    /// The list has no keys.
    #[error("the list of keys is empty: name at least one key")]
    Empty,
    /// The list has more than [`MAX_KEYS`] keys.
    #[error("{0} keys are named, but the limit is {MAX_KEYS}: request only the keys that you need")]
    TooMany(usize),
    /// A key occurs twice.
    #[error("the key `{0}` is named twice: name each key once")]
    Twice(String),
}

impl KeySet {
    /// Checks the list and orders it by label.
    ///
    /// # Errors
    /// The first rule of [`KeySetError`] that the list breaks.
    pub fn new(mut keys: Vec<KeyName>) -> Result<Self, KeySetError> {
        if keys.is_empty() {
            return Err(KeySetError::Empty);
        }
        if keys.len() > MAX_KEYS {
            return Err(KeySetError::TooMany(keys.len()));
        }
        let mut seen = std::collections::HashSet::new();
        if let Some(key) = keys.iter().find(|key| !seen.insert(key.fingerprint)) {
            return Err(KeySetError::Twice(key.label.clone()));
        }
        keys.sort_by(|a, b| {
            (&a.label, a.fingerprint.to_hex()).cmp(&(&b.label, b.fingerprint.to_hex()))
        });
        Ok(Self(keys))
    }

    /// A set with only this key.
    pub fn one(key: KeyName) -> Self {
        Self(vec![key])
    }

    /// The keys, ordered by label.
    pub fn iter(&self) -> std::slice::Iter<'_, KeyName> {
        self.0.iter()
    }

    /// The keys in words, such as `key "release"` or `keys "a" and "b"`; see [`Purpose::in_words`].
    pub fn in_words(&self, name: impl Fn(&str, Option<&Fingerprint>) -> String) -> String {
        let names: Vec<_> = self
            .iter()
            .map(|key| name(&key.label, Some(&key.fingerprint)))
            .collect();
        format!("{} {}", plural(names.len(), "key"), all_of(&names))
    }

    /// The key, if it is the only one.
    pub fn only(&self) -> Option<&KeyName> {
        match self.0.as_slice() {
            [key] => Some(key),
            _ => None,
        }
    }

    /// The key with this fingerprint.
    pub fn get(&self, fingerprint: &Fingerprint) -> Option<&KeyName> {
        self.iter().find(|key| key.fingerprint == *fingerprint)
    }

    /// Whether this set contains all keys of the other one.
    pub fn covers(&self, others: &Self) -> bool {
        others
            .iter()
            .all(|key| self.get(&key.fingerprint).is_some())
    }
}

/// The labels in quotes: `"a", "b"`.
impl std::fmt::Display for KeySet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (index, key) in self.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            write!(f, "{comma}\"{}\"", key.label)?;
        }
        Ok(())
    }
}

impl<'a> IntoIterator for &'a KeySet {
    type Item = &'a KeyName;
    type IntoIter = std::slice::Iter<'a, KeyName>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl TryFrom<Vec<KeyName>> for KeySet {
    type Error = KeySetError;

    fn try_from(keys: Vec<KeyName>) -> Result<Self, Self::Error> {
        Self::new(keys)
    }
}

impl From<KeySet> for Vec<KeyName> {
    fn from(keys: KeySet) -> Self {
        keys.0
    }
}

/// The content that may be signed under a lease.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "type", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Scope {
    /// Only the files of a manifest.
    Manifest {
        /// The files.
        files: Manifest,
    },
    /// Any content. Custodians are warned that they cannot see what will be signed.
    Open,
}

/// The types of keys that can be generated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum NewKeyType {
    /// An EC key on secp256r1 (NIST P-256).
    EcSecp256r1,
    /// An EC key on brainpoolP256r1.
    EcBrainpoolP256r1,
    /// An EC key on secp384r1 (NIST P-384).
    EcSecp384r1,
    /// An RSA key of 2048 bits.
    Rsa2048,
    /// An RSA key of 3072 bits.
    Rsa3072,
    /// An RSA key of 4096 bits.
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

    /// The name on screens.
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
