//! Random codes, nonces and names.

use sha2::{Digest, Sha256};

/// Crockford's base 32, which leaves out letters that look like digits.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

#[derive(Debug, thiserror::Error)]
#[error("the operating system's random generator failed: {0}")]
pub struct RandomError(String);

/// Fills this with random bytes.
pub fn fill(bytes: &mut [u8]) -> Result<(), RandomError> {
    getrandom::fill(bytes).map_err(|error| RandomError(error.to_string()))
}

/// This number of random characters, each with 5 bits of entropy.
pub fn random(characters: usize) -> Result<String, RandomError> {
    let mut bytes = vec![0; characters];
    fill(&mut bytes)?;
    Ok(bytes
        .iter()
        .map(|byte| char::from(ALPHABET[usize::from(byte % 32)]))
        .collect())
}

/// As [`random`], in groups of four characters with hyphens between them.
pub fn random_grouped(characters: usize) -> Result<String, RandomError> {
    let plain = random(characters)?;
    let groups: Vec<_> = plain
        .as_bytes()
        .chunks(4)
        .map(String::from_utf8_lossy)
        .collect();
    Ok(groups.join("-"))
}

/// SHA-256 of a code, which is stored instead of the code. Hyphens, spaces and case do not count, so that people may type the code
/// without them.
pub fn hash(code: &str) -> Vec<u8> {
    let plain: String = code
        .chars()
        .filter(|c| !c.is_whitespace() && *c != '-')
        .collect();
    Sha256::digest(plain.to_ascii_uppercase()).to_vec()
}
