//! API tokens, which authenticate a program on behalf of a person.

use zeroize::Zeroizing;

/// Limit of a token's length, in bytes.
const MAX_LENGTH: usize = 4096;

/// An API token. It is wiped when dropped, and implements neither `Debug` nor `Display`, so that it cannot get into a
/// log.
pub struct Token(Zeroizing<String>);

impl Token {
    /// Takes a token as the portal shows it, and removes white space around it.
    ///
    /// # Errors
    /// The text is empty, too long, or contains characters other than printable ASCII. The error says so.
    pub fn new(text: Zeroizing<String>) -> Result<Self, &'static str> {
        let token = text.trim();
        if token.is_empty() {
            return Err("it is empty");
        }
        if token.len() > MAX_LENGTH {
            return Err("it is longer than 4096 bytes");
        }
        if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err("it contains spaces or other characters that are not part of a token");
        }
        Ok(Self(Zeroizing::new(token.to_owned())))
    }

    /// Value of the header `Authorization`.
    pub(crate) fn authorization(&self) -> Zeroizing<String> {
        let mut value = Zeroizing::new(String::with_capacity(self.0.len() + 7));
        value.push_str("Bearer ");
        value.push_str(&self.0);
        value
    }
}
