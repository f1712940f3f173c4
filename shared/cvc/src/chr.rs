//! Certificate holder references: the names in card-verifiable certificates.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

/// Length of the sequence number that follows the holder part.
const SEQUENCE: usize = 5;

/// A certificate holder reference: country code (2 letters), mnemonic (1 to 9 characters), sequence number (5 characters).
///
/// Source: BSI TR-03110-3, section "Certificate Holder Reference".
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Chr(String);

/// The reason why a text is not accepted as a holder reference.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChrError {
    /// The name is too short or too long.
    #[error(
        "the name `{0}` has {1} characters, expected 8 to 16: country code (2 letters), mnemonic (1 to 9 characters), sequence number (5 characters)"
    )]
    Length(String, usize),
    /// The name does not begin with a country code.
    #[error("the name `{0}` must begin with a country code of two capital letters, such as DE")]
    Country(String),
    /// The name contains other characters than capital letters and digits.
    #[error("the name `{0}` must consist of capital letters and digits")]
    Characters(String),
    /// The bytes are not 8 to 16 printable ASCII characters.
    #[error("a name in the certificate is not a text of 8 to 16 printable characters")]
    Unreadable,
}

impl Chr {
    /// Reads a name as a card presents it. Names in use do not always follow the rules for new names.
    ///
    /// # Errors
    /// [`ChrError::Unreadable`] unless it is 8 to 16 printable ASCII characters.
    pub fn from_card_bytes(bytes: &[u8]) -> Result<Self, ChrError> {
        let printable = bytes.iter().all(u8::is_ascii_graphic);
        match std::str::from_utf8(bytes) {
            Ok(text) if printable && (8..=16).contains(&bytes.len()) => Ok(Self(text.to_owned())),
            _ => Err(ChrError::Unreadable),
        }
    }

    /// Checks a name for a new key, which must follow all rules. Blanks around it are removed.
    ///
    /// # Errors
    /// The name has a wrong length, a wrong character, or no country code.
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

    /// The name without its sequence number.
    pub fn holder(&self) -> &str {
        &self.0[..self.0.len() - SEQUENCE]
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name as encoded in a certificate.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

/// A device's identity: the holder reference of its device certificate.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DeviceId(pub Chr);

impl DeviceId {
    /// Serial number as other tools show it: the holder part of the name.
    pub fn serial(&self) -> &str {
        self.0.holder()
    }

    /// The identity as it is signed in a response of public key authentication.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    /// The identity as text.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

macro_rules! impl_text {
    ($name:ty, $from_chr:expr) => {
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
                Chr::from_card_bytes(text.as_bytes()).map($from_chr)
            }
        }
    };
}

crate::text_schema!(
    Chr,
    "Certificate holder reference: country code, mnemonic and sequence number.",
    pattern: "^[!-~]{8,16}$",
    example: "DEANNA00001"
);
crate::text_schema!(
    DeviceId,
    "Identity of a device: the holder reference of its device certificate.",
    pattern: "^[!-~]{8,16}$",
    example: "DENK0100517"
);

impl_text!(Chr, |chr| chr);
impl_text!(DeviceId, DeviceId);

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
    fn the_holder_part_excludes_the_sequence_number() {
        let device: DeviceId = "ZZSIM00000200001".parse().expect("a device id");
        assert_eq!(device.serial(), "ZZSIM000002");
    }
}
