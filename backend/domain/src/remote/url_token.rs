//! The token in the address that remote clients use.

use std::path::Path;

use anyhow::{Context, ensure};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// Shortest token, in characters.
const SHORTEST: usize = 16;

/// The token in the address `/rt/hsm/TOKEN`. Only its hash is in memory.
pub struct UrlToken([u8; 32]);

impl UrlToken {
    /// # Errors
    /// The file cannot be read, or does not hold a token of at least `SHORTEST` letters, digits, `-` or `_`.
    pub fn read(file: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(file)
            .with_context(|| format!("cannot read the token file {}", file.display()))?;
        let token = text.trim();
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
        ensure!(
            token.len() >= SHORTEST && token.chars().all(plain),
            "{} does not hold a token: write {SHORTEST} or more letters, digits, - or _ into it",
            file.display()
        );
        Ok(Self(Sha256::digest(token).into()))
    }

    /// Compares in constant time.
    pub fn matches(&self, token: &str) -> bool {
        let hash: [u8; 32] = Sha256::digest(token).into();
        hash.ct_eq(&self.0).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_that_is_short_or_does_not_fit_into_an_address_is_rejected() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        for bad in ["short", "0123456789abcdef/..", ""] {
            std::fs::write(&file, bad).unwrap();
            assert!(UrlToken::read(&file).is_err(), "{bad}");
        }
        std::fs::write(&file, "0123456789abcdef\n").unwrap();
        let token = UrlToken::read(&file).unwrap();
        assert!(token.matches("0123456789abcdef"));
        assert!(!token.matches("0123456789abcdeg"));
    }
}
