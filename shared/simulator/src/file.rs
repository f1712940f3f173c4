//! The card file: JSON with the state that a card retains without power. Every change replaces the whole file.

use std::{
    collections::BTreeMap,
    io::Write,
    path::{Path, PathBuf},
};

use countersign_cvc::{Chr, Curve, EcSecretKey, PublicKey};
use serde::{Deserialize, Serialize};

use crate::{
    key::{Secret, StoredSecret},
    key_domain::StoredKeyDomain,
    pki::{self, PkiError},
    profile::Profile,
};

const FORMAT: u32 = 1;
/// SO-PIN of cards that are created with a user PIN, which is the default in the manuals of common tools.
const DEFAULT_SO_PIN: [u8; 8] = *b"57621880";
const SO_PIN_TRIES: u8 = 15;

/// Parameters of a new card.
#[derive(Clone, Debug)]
pub struct NewCard {
    /// Serial number: six capital letters or digits.
    pub serial: String,
    /// Label of the card. It is stored only if the card has a user PIN.
    pub label: String,
    /// Behaviour of the card.
    pub profile: Profile,
    /// User PIN with which the card is initialised; `None` for a card as from the factory, which must be initialised.
    pub user_pin: Option<String>,
}

/// The reason why a card file cannot be created or used.
#[derive(Debug, thiserror::Error)]
pub enum CardFileError {
    /// The file system returned an error.
    #[error("cannot read or write the card file {path}: {why}")]
    Io {
        /// Path of the card file.
        path: PathBuf,
        /// Error of the file system.
        why: std::io::Error,
    },
    /// The file already exists.
    #[error("{0} already exists: choose another name, or delete it")]
    Exists(PathBuf),
    /// The file has other contents.
    #[error("{path} is not a card file of this version: {why}")]
    Malformed {
        /// Path of the card file.
        path: PathBuf,
        /// Description of the problem.
        why: String,
    },
    /// The serial number is not six capital letters or digits.
    #[error("`{0}` is not a serial number: expected six capital letters or digits")]
    Serial(String),
    /// The user PIN is too short or too long.
    #[error(
        "a PIN must have 6 to 16 bytes (letters without accents and digits take one byte each)"
    )]
    Pin,
    /// The simulated certificates cannot be issued.
    #[error(transparent)]
    Pki(#[from] PkiError),
    /// The operating system did not provide random numbers.
    #[error("the operating system's random generator failed: {0}")]
    Random(String),
}

/// A PIN with its counter of tries.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct StoredPin {
    /// The PIN in hex.
    pub value: String,
    /// Number of tries left.
    pub tries: u8,
    /// Number of tries after the right PIN.
    pub most: u8,
    /// The PIN must be changed before it can be used.
    #[serde(default)]
    pub transport: bool,
}

impl StoredPin {
    pub fn new(value: &[u8], most: u8) -> Self {
        Self {
            value: hex::encode(value),
            tries: most,
            most,
            transport: false,
        }
    }

    pub fn bytes(&self) -> Vec<u8> {
        hex::decode(&self.value).unwrap_or_default()
    }
}

/// A key with its limits.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct StoredKey {
    pub secret: StoredSecret,
    /// Allowed algorithms in hex; `None` for all.
    pub algorithms: Option<String>,
    /// Number of uses left; `None` for no limit.
    pub uses_left: Option<u32>,
    #[serde(default)]
    pub domain: u8,
}

/// A registered custodian key.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct RegisteredKey {
    pub name: Chr,
    pub key: PublicKey,
}

/// Setup of public key authentication.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct StoredPka {
    /// Number of keys in the quorum (m).
    pub total: u8,
    /// Number of keys that must authenticate (n).
    pub required: u8,
    /// Keys that are registered so far.
    pub keys: Vec<RegisteredKey>,
}

/// State that a card retains without power.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct CardData {
    format: u32,
    pub profile: Profile,
    /// Holder reference in the device certificate.
    pub device: Chr,
    pub device_key: StoredSecret,
    /// Content of EF 2F02 in hex.
    pub certificates: String,
    /// Option word of the last initialisation.
    pub options: u16,
    pub user_pin: Option<StoredPin>,
    /// SO-PIN; `None` before the first initialisation.
    pub so_pin: Option<StoredPin>,
    pub pka: Option<StoredPka>,
    /// Slots with key domains, some of which can be empty; `None` if keys never leave the card.
    #[serde(default)]
    pub key_domains: Option<Vec<Option<StoredKeyDomain>>>,
    /// Keys by reference.
    pub keys: BTreeMap<u8, StoredKey>,
    /// Files by identifier, contents in hex.
    pub files: BTreeMap<u16, String>,
}

impl CardData {
    pub fn new(new: &NewCard) -> Result<Self, CardFileError> {
        let device = Chr::parse_new(&format!("ZZSIM{}00001", new.serial))
            .ok()
            .filter(|_| new.serial.len() == 6)
            .ok_or_else(|| CardFileError::Serial(new.serial.clone()))?;
        let Ok(Secret::Ec(key)) = Secret::generate_ec(Curve::BrainpoolP256r1) else {
            return Err(CardFileError::Random(
                "cannot generate the device key".into(),
            ));
        };
        let mut data = Self::with_device(new.profile, device.clone(), &key, Vec::new());
        data.certificates = hex::encode(pki::device_certificates(&device, &key.public_key())?);
        if let Some(pin) = &new.user_pin {
            if !(6..=16).contains(&pin.len()) {
                return Err(CardFileError::Pin);
            }
            data.options = 0x0001;
            data.user_pin = Some(StoredPin::new(pin.as_bytes(), 3));
            data.so_pin = Some(StoredPin::new(&DEFAULT_SO_PIN, SO_PIN_TRIES));
            data.files
                .insert(0x2F03, hex::encode(token_info(&new.label)));
        }
        Ok(data)
    }

    /// Creates a card with a given identity, for tests with fixed vectors.
    pub fn with_device(
        profile: Profile,
        device: Chr,
        key: &EcSecretKey,
        certificates: Vec<u8>,
    ) -> Self {
        Self {
            format: FORMAT,
            profile,
            device,
            device_key: StoredSecret::Ec {
                curve: key.curve(),
                scalar: hex::encode(key.to_bytes().as_slice()),
            },
            certificates: hex::encode(certificates),
            options: 0,
            user_pin: None,
            so_pin: None,
            pka: None,
            key_domains: None,
            keys: BTreeMap::new(),
            files: BTreeMap::new(),
        }
    }

    /// Reads a card file.
    pub fn load(path: &Path) -> Result<Self, CardFileError> {
        let text = std::fs::read(path).map_err(|why| CardFileError::Io {
            path: path.to_owned(),
            why,
        })?;
        let malformed = |why: String| CardFileError::Malformed {
            path: path.to_owned(),
            why,
        };
        let data: Self =
            serde_json::from_slice(&text).map_err(|error| malformed(error.to_string()))?;
        if data.format != FORMAT {
            return Err(malformed(format!(
                "its format is {}, but this program reads format {FORMAT}",
                data.format
            )));
        }
        Secret::try_from(&data.device_key).map_err(|error| malformed(error.to_string()))?;
        Ok(data)
    }

    /// Replaces the card file atomically: after a failure it has either the old or the new content.
    pub fn save(&self, path: &Path) -> Result<(), CardFileError> {
        let io = |why| CardFileError::Io {
            path: path.to_owned(),
            why,
        };
        let folder = path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty())
            .unwrap_or(Path::new("."));
        let text = serde_json::to_vec_pretty(self).map_err(|error| CardFileError::Malformed {
            path: path.to_owned(),
            why: error.to_string(),
        })?;
        // A temporary file can be read by its owner only.
        let mut file = tempfile::NamedTempFile::new_in(folder).map_err(io)?;
        file.write_all(&text).map_err(io)?;
        file.as_file().sync_all().map_err(io)?;
        file.persist(path).map_err(|error| io(error.error))?;
        // Makes the new name durable too. Not every file system supports this, so errors are ignored.
        let _ = std::fs::File::open(folder).and_then(|folder| folder.sync_all());
        Ok(())
    }
}

/// A TokenInfo with a label (PKCS#15, section 6.9).
fn token_info(label: &str) -> Vec<u8> {
    use countersign_cvc::tlv::{Tag, TlvWriter};
    TlvWriter::new()
        .with(Tag(0x02), &[0])
        .with(Tag(0x80), label.as_bytes())
        .with(Tag(0x03), &[0x05, 0x20])
        .wrap(Tag(0x30))
}
