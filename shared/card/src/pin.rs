//! PINs: wiped when dropped, and printable by nothing.

use zeroize::Zeroizing;

/// A text that cannot be a PIN.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPin {
    /// Wrong length.
    #[error("a PIN has 6 to 16 characters")]
    Length,
    /// Not a SO-PIN.
    #[error("the SO-PIN is 16 hex digits")]
    SoPin,
}

/// A user PIN, 6 to 16 bytes.
#[derive(Clone)]
pub struct Pin(Zeroizing<Vec<u8>>);

impl Pin {
    /// Takes what was typed.
    ///
    /// # Errors
    /// [`InvalidPin::Length`].
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

/// The initialisation code (SO-PIN), 8 bytes.
#[derive(Clone)]
pub struct SoPin(Zeroizing<[u8; 8]>);

impl SoPin {
    /// Takes 16 hex digits, as all tools of this card do.
    ///
    /// # Errors
    /// [`InvalidPin::SoPin`].
    pub fn from_hex(text: &str) -> Result<Self, InvalidPin> {
        let mut bytes = Zeroizing::new([0; 8]);
        hex::decode_to_slice(text.trim(), bytes.as_mut()).map_err(|_| InvalidPin::SoPin)?;
        Ok(Self(bytes))
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.0.as_ref()
    }
}
