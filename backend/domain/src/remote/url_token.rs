//! The token in the address that clients attach to.

use std::path::Path;

use anyhow::{Context, ensure};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// Shortest token, in characters.
const SHORTEST: usize = 16;

/// The token in the address that clients attach to; only its hash is kept.
pub struct UrlToken([u8; 32]);

impl UrlToken {
    /// Reads the token out of its file.
    ///
    /// # Errors
    /// The file's, or it holds no token.
    pub fn read(file: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(file)
            .with_context(|| format!("cannot read the token in {}", file.display()))?;
        let token = text.trim();
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
        ensure!(
            token.len() >= SHORTEST && token.chars().all(plain),
            "{} holds no token: write {SHORTEST} or more letters, digits, - or _ into it",
            file.display()
        );
        Ok(Self(Sha256::digest(token).into()))
    }

    /// Whether it is this one.
    pub fn is(&self, token: &str) -> bool {
        let hash: [u8; 32] = Sha256::digest(token).into();
        hash.ct_eq(&self.0).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_long_and_fit_into_an_address() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        for bad in ["short", "0123456789abcdef/..", ""] {
            std::fs::write(&file, bad).unwrap();
            assert!(UrlToken::read(&file).is_err(), "{bad}");
        }
        std::fs::write(&file, "0123456789abcdef\n").unwrap();
        let token = UrlToken::read(&file).unwrap();
        assert!(token.is("0123456789abcdef"));
        assert!(!token.is("0123456789abcdeg"));
    }
}
