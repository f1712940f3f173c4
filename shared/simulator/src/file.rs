//! What a card keeps without power: a JSON file, replaced as a whole.

use std::{
    collections::BTreeMap,
    io::Write,
    path::{Path, PathBuf},
};

use countersign_cvc::{Chr, ChrError, Curve, EcSecretKey, PublicKey};
use serde::{Deserialize, Serialize};

use crate::{
    key::{Secret, StoredSecret},
    key_domain::StoredKeyDomain,
    pki::{self, PkiError},
    profile::Profile,
};

const FORMAT: u32 = 1;
/// SO-PIN of cards that are made with a user PIN: the one in every tool's manual.
const DEFAULT_SO_PIN: [u8; 8] = *b"57621880";
const SO_PIN_TRIES: u8 = 15;

/// A new card.
#[derive(Clone, Debug)]
pub struct NewCard {
    /// Six characters, capital letters and digits.
    pub serial: String,
    /// Label; only cards with a user PIN have one from the beginning.
    pub label: String,
    /// Which card is played.
    pub profile: Profile,
    /// Initialised with this user PIN; `None`: as from the factory, to be initialised.
    pub user_pin: Option<String>,
}

/// Why a card file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CardFileError {
    /// File system.
    #[error("cannot read or write the card file {path}: {why}")]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        why: std::io::Error,
    },
    /// Exists.
    #[error("{0} exists already: choose another name, or delete it")]
    Exists(PathBuf),
    /// Contents.
    #[error("{path} is not a card file of this version: {why}")]
    Malformed {
        /// Which.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// Serial number.
    #[error("the serial number must have six capital letters or digits: {0}")]
    Serial(ChrError),
    /// User PIN.
    #[error("a PIN has 6 to 16 characters")]
    Pin,
    /// Hierarchy.
    #[error(transparent)]
    Pki(#[from] PkiError),
    /// Random numbers.
    #[error("no random numbers: {0}")]
    Random(String),
}

/// A PIN and its counter.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct StoredPin {
    /// In hex.
    pub value: String,
    /// Tries left.
    pub tries: u8,
    /// Tries after a right PIN.
    pub most: u8,
    /// Must be changed before it opens anything.
    #[serde(default)]
    pub transport: bool,
}

impl StoredPin {
    /// A fresh PIN.
    pub fn new(value: &[u8], most: u8) -> Self {
        Self {
            value: hex::encode(value),
            tries: most,
            most,
            transport: false,
        }
    }

    /// The PIN.
    pub fn bytes(&self) -> Vec<u8> {
        hex::decode(&self.value).unwrap_or_default()
    }
}

/// A key with what the card knows of it.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct StoredKey {
    /// Key.
    pub secret: StoredSecret,
    /// Allowed algorithms in hex; `None`: all.
    pub algorithms: Option<String>,
    /// Uses left; `None`: unlimited.
    pub uses_left: Option<u32>,
    /// Key domain.
    #[serde(default)]
    pub domain: u8,
}

/// A registered custodian key.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct RegisteredKey {
    /// Name.
    pub name: Chr,
    /// Key.
    pub key: PublicKey,
}

/// Public key authentication.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct StoredPka {
    /// m.
    pub total: u8,
    /// n.
    pub required: u8,
    /// Registered so far.
    pub keys: Vec<RegisteredKey>,
}

/// Everything that a card keeps.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct CardData {
    format: u32,
    /// Behaviour.
    pub profile: Profile,
    /// Name in the device certificate.
    pub device: Chr,
    /// Device key.
    pub device_key: StoredSecret,
    /// EF 2F02 in hex.
    pub certificates: String,
    /// Option word of the last initialisation.
    pub options: u16,
    /// User PIN.
    pub user_pin: Option<StoredPin>,
    /// SO-PIN; `None`: never initialised.
    pub so_pin: Option<StoredPin>,
    /// Quorum.
    pub pka: Option<StoredPka>,
    /// Key domains by index, and free places for them; `None`: keys never leave the card.
    #[serde(default)]
    pub key_domains: Option<Vec<Option<StoredKeyDomain>>>,
    /// Keys by reference.
    pub keys: BTreeMap<u8, StoredKey>,
    /// Files by identifier, contents in hex.
    pub files: BTreeMap<u16, String>,
}

impl CardData {
    /// Makes a new card.
    pub fn new(new: &NewCard) -> Result<Self, CardFileError> {
        let device =
            Chr::parse_new(&format!("ZZSIM{}00001", new.serial)).map_err(CardFileError::Serial)?;
        if new.serial.len() != 6 {
            return Err(CardFileError::Serial(ChrError::Length(
                new.serial.clone(),
                new.serial.len(),
            )));
        }
        let Ok(Secret::Ec(key)) = Secret::generate_ec(Curve::BrainpoolP256r1) else {
            return Err(CardFileError::Random("the system gives none".into()));
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

    /// A card with a given identity, as tests with worked vectors need it.
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
                "its format is {}, this program knows {FORMAT}",
                data.format
            )));
        }
        Secret::try_from(&data.device_key).map_err(|error| malformed(error.to_string()))?;
        Ok(data)
    }

    /// Replaces the card file: either the old or the new content is there, whatever happens.
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
        // Temporary files are readable by their owner only.
        let mut file = tempfile::NamedTempFile::new_in(folder).map_err(io)?;
        file.write_all(&text).map_err(io)?;
        file.as_file().sync_all().map_err(io)?;
        file.persist(path).map_err(|error| io(error.error))?;
        // The new name must outlive a power failure too; not every file system can promise that.
        let _ = std::fs::File::open(folder).and_then(|folder| folder.sync_all());
        Ok(())
    }
}

/// TokenInfo with a label.
fn token_info(label: &str) -> Vec<u8> {
    use countersign_cvc::tlv::{Tag, TlvWriter};
    TlvWriter::new()
        .with(Tag(0x02), &[0])
        .with(Tag(0x80), label.as_bytes())
        .with(Tag(0x03), &[0x05, 0x20])
        .wrap(Tag(0x30))
}
