//! PINs, which are wiped when they are dropped and cannot be printed.

use zeroize::Zeroizing;

/// The reason why a text is not accepted as a PIN.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPin {
    /// The PIN is too short or too long.
    #[error(
        "a PIN must have 6 to 16 bytes (letters without accents and digits take one byte each)"
    )]
    Length,
    /// The text is not a SO-PIN.
    #[error("the SO-PIN must be 16 hex digits")]
    SoPin,
}

/// A user PIN, 6 to 16 bytes.
#[derive(Clone)]
pub struct Pin(Zeroizing<Vec<u8>>);

impl Pin {
    /// Creates a PIN from its text, which is encoded in UTF-8.
    ///
    /// # Errors
    /// [`InvalidPin::Length`] unless the text has 6 to 16 bytes.
    pub fn new(text: Zeroizing<String>) -> Result<Self, InvalidPin> {
        if (6..=16).contains(&text.len()) {
            Ok(Self(Zeroizing::new(text.as_bytes().to_vec())))
        } else {
            Err(InvalidPin::Length)
        }
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// The initialisation code (SO-PIN) of 8 bytes.
#[derive(Clone)]
pub struct SoPin(Zeroizing<Vec<u8>>);

impl SoPin {
    /// Reads 16 hex digits, the form in which other tools for this card expect the SO-PIN. Blanks around them are ignored.
    ///
    /// # Errors
    /// [`InvalidPin::SoPin`] if the text is not 16 hex digits.
    pub fn from_hex(text: &str) -> Result<Self, InvalidPin> {
        // On the heap, because a move of an array would leave an unwiped copy on the stack.
        let mut bytes = Zeroizing::new(vec![0; 8]);
        hex::decode_to_slice(text.trim(), &mut bytes).map_err(|_| InvalidPin::SoPin)?;
        Ok(Self(bytes))
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}
