//! Random codes, nonces and names.

use sha2::{Digest, Sha256};

/// Letters and digits that nobody confuses (Crockford's base 32).
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

#[derive(Debug, thiserror::Error)]
#[error("the operating system's random generator failed: {0}")]
pub struct RandomError(String);

/// Random characters, 5 bits each.
pub fn random(characters: usize) -> Result<String, RandomError> {
    let mut bytes = vec![0; characters];
    getrandom::fill(&mut bytes).map_err(|error| RandomError(error.to_string()))?;
    Ok(bytes
        .iter()
        .map(|byte| char::from(ALPHABET[usize::from(byte % 32)]))
        .collect())
}

/// The same, in groups of four with dashes between.
pub fn random_grouped(characters: usize) -> Result<String, RandomError> {
    let plain = random(characters)?;
    let groups: Vec<_> = plain
        .as_bytes()
        .chunks(4)
        .map(String::from_utf8_lossy)
        .collect();
    Ok(groups.join("-"))
}

/// What is stored of a code: SHA-256, of the form without dashes, so that people may leave them out.
pub fn hash(code: &str) -> Vec<u8> {
    let plain: String = code
        .chars()
        .filter(|c| !c.is_whitespace() && *c != '-')
        .collect();
    Sha256::digest(plain.to_ascii_uppercase()).to_vec()
}
