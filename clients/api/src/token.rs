//! The secret that stands for its owner.

use zeroize::Zeroizing;

/// Longest token that is accepted, in bytes.
const LONGEST: usize = 4096;

/// An API token. Wiped when dropped; has no `Debug` and no `Display`, so it gets into no log.
pub struct Token(Zeroizing<String>);

impl Token {
    /// Takes a token as the portal shows it; white space around it is removed.
    ///
    /// # Errors
    /// What is wrong with it: empty, too long, or characters that no token has.
    pub fn new(text: Zeroizing<String>) -> Result<Self, &'static str> {
        let token = text.trim();
        if token.is_empty() {
            return Err("it is empty");
        }
        if token.len() > LONGEST {
            return Err("it is too long to be a token");
        }
        if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err("it has characters that no token has; there must be nothing but the token");
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
