//! Certificate holder references: the names in card-verifiable certificates.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

/// Characters behind the holder part: the sequence number.
const SEQUENCE: usize = 5;

/// A certificate holder reference: 2 letters country, 1 to 9 characters mnemonic, 5 characters sequence.
///
/// Source: BSI TR-03110-3, section "Certificate Holder Reference".
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Chr(String);

/// Why a text is no holder reference.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChrError {
    /// Wrong length.
    #[error(
        "the name `{0}` has {1} characters; 8 to 16 are needed: 2 letters country, 1 to 9 characters, 5 characters sequence"
    )]
    Length(String, usize),
    /// Not two letters in front.
    #[error("the name `{0}` must begin with two capital letters, the country code, such as DE")]
    Country(String),
    /// Characters that cannot be used.
    #[error("the name `{0}` may have capital letters and digits only")]
    Characters(String),
    /// Not readable text at all.
    #[error("a certificate carries a name that is not printable text of 8 to 16 characters")]
    Unreadable,
}

impl Chr {
    /// Takes a name as a card presents it: printable, 8 to 16 characters.
    ///
    /// # Errors
    /// [`ChrError::Unreadable`].
    pub fn from_card_bytes(bytes: &[u8]) -> Result<Self, ChrError> {
        let printable = bytes.iter().all(u8::is_ascii_graphic);
        match std::str::from_utf8(bytes) {
            Ok(text) if printable && (8..=16).contains(&bytes.len()) => Ok(Self(text.to_owned())),
            _ => Err(ChrError::Unreadable),
        }
    }

    /// Checks a name for a new key, by all rules.
    ///
    /// # Errors
    /// See [`ChrError`].
    pub fn parse_new(text: &str) -> Result<Self, ChrError> {
        let text = text.trim();
        let count = text.chars().count();
        if !(8..=16).contains(&count) {
            return Err(ChrError::Length(text.to_owned(), count));
        }
        if !text
            .chars()
            .all(|c| c.is_ascii_uppercase() || c.is_ascii_digit())
        {
            return Err(ChrError::Characters(text.to_owned()));
        }
        if !text.chars().take(2).all(|c| c.is_ascii_uppercase()) {
            return Err(ChrError::Country(text.to_owned()));
        }
        Ok(Self(text.to_owned()))
    }

    /// Everything but the sequence number.
    pub fn holder(&self) -> &str {
        &self.0[..self.0.len() - SEQUENCE]
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name as in a certificate.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

/// A device's identity: the holder reference of its device certificate.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DeviceId(pub Chr);

impl DeviceId {
    /// Serial number as tools show it: the holder part.
    pub fn serial(&self) -> &str {
        self.0.holder()
    }

    /// The bytes that a PKA response signs.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    /// The identity as text.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

macro_rules! text {
    ($name:ty, $make:expr) => {
        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = ChrError;

            fn from_str(text: &str) -> Result<Self, ChrError> {
                Chr::from_card_bytes(text.as_bytes()).map($make)
            }
        }
    };
}

text!(Chr, |chr| chr);
text!(DeviceId, DeviceId);

impl Serialize for Chr {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Chr {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn new_names_follow_the_rules() {
        assert!(Chr::parse_new("DEDOUG00001").is_ok());
        assert!(matches!(
            Chr::parse_new("DE00001"),
            Err(ChrError::Length(..))
        ));
        assert!(matches!(
            Chr::parse_new("DEDOUGLASMILLER00001"),
            Err(ChrError::Length(..))
        ));
        assert!(matches!(
            Chr::parse_new("D3DOUG00001"),
            Err(ChrError::Country(_))
        ));
        assert!(matches!(
            Chr::parse_new("DEdoug00001"),
            Err(ChrError::Characters(_))
        ));
        assert!(matches!(
            Chr::parse_new("DEDÖUG00001"),
            Err(ChrError::Characters(_))
        ));
    }

    #[test]
    fn holder_is_all_but_the_sequence_number() {
        let device: DeviceId = "ZZSIM00000200001".parse().expect("a device id");
        assert_eq!(device.serial(), "ZZSIM000002");
    }
}
