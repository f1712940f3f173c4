//! Challenges of log-ins. The server stores nothing when it makes one, because anyone can ask for a challenge: it recognises its own
//! nonces by a code that only it can compute. It notes a nonce when an enrolled key has signed it.

use std::{
    collections::BTreeSet,
    sync::{Mutex, PoisonError},
    time::Instant,
};

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::random::{self, RandomError};

/// Lifetime of a challenge, in seconds: the person has to find their card and enter the PIN.
pub const CHALLENGE_SECONDS: i64 = 5 * 60;

const TIME: usize = 8;
const RANDOM: usize = 16;
const CODE: usize = 16;

/// Makes nonces and recognises them. Those that were made before a restart of the server are no longer accepted, so a used one
/// cannot be used again after a restart or with an old database.
pub struct Challenges {
    key: Zeroizing<[u8; 64]>,
    /// Nonces expire by this clock, which nobody can set back.
    since: Instant,
    /// Used nonces that have not expired: time of expiry in seconds since the start, and random part.
    used: Mutex<BTreeSet<(u64, [u8; RANDOM])>>,
}

/// A nonce of this server that has not expired.
#[derive(Clone, Copy)]
pub struct Nonce {
    expires_at: u64,
    random: [u8; RANDOM],
}

impl Challenges {
    pub fn new() -> Result<Self, RandomError> {
        let mut key = Zeroizing::new([0; 64]);
        random::fill(key.as_mut())?;
        Ok(Self {
            key,
            since: Instant::now(),
            used: Mutex::default(),
        })
    }

    /// A new nonce.
    pub fn nonce(&self) -> Result<String, RandomError> {
        let mut random = [0; RANDOM];
        random::fill(&mut random)?;
        let expires_at = self.now() + CHALLENGE_SECONDS.unsigned_abs();
        let mut bytes = [expires_at.to_be_bytes().as_slice(), &random].concat();
        let code = self.code(&bytes).finalize().into_bytes();
        bytes.extend_from_slice(&code[..CODE]);
        Ok(hex::encode(bytes))
    }

    /// Reads a nonce; `None` if it is not one of this server, or has expired.
    pub fn read(&self, text: &str) -> Option<Nonce> {
        let mut bytes = [0; TIME + RANDOM + CODE];
        hex::decode_to_slice(text, &mut bytes).ok()?;
        let (content, code) = bytes.split_at(TIME + RANDOM);
        self.code(content).verify_truncated_left(code).ok()?;
        let (time, random) = content.split_at(TIME);
        let nonce = Nonce {
            expires_at: u64::from_be_bytes(time.try_into().ok()?),
            random: random.try_into().ok()?,
        };
        (nonce.expires_at > self.now()).then_some(nonce)
    }

    /// Notes that a nonce was used. Returns whether it was unused before.
    pub fn use_up(&self, nonce: Nonce) -> bool {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        // Expired nonces are not accepted, so they need not be known.
        *used = used.split_off(&(self.now(), [0; RANDOM]));
        used.insert((nonce.expires_at, nonce.random))
    }

    /// Seconds since the start.
    fn now(&self) -> u64 {
        self.since.elapsed().as_secs()
    }

    fn code(&self, content: &[u8]) -> Hmac<Sha256> {
        Hmac::<Sha256>::new((&*self.key).into()).chain_update(content)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nonce_works_once_and_at_its_server_only() {
        let challenges = Challenges::new().expect("challenges");
        let text = challenges.nonce().expect("a nonce");
        let nonce = challenges.read(&text).expect("its own nonce");
        assert!(challenges.use_up(nonce));
        assert!(!challenges.use_up(challenges.read(&text).expect("its own nonce")));
        let other = Challenges::new().expect("challenges");
        assert!(other.read(&text).is_none());
        assert!(challenges.read("").is_none());
        assert!(challenges.read(&text[2..]).is_none());
    }

    #[test]
    fn a_changed_or_expired_nonce_is_not_accepted() {
        let challenges = Challenges::new().expect("challenges");
        let text = challenges.nonce().expect("a nonce");
        let bytes = hex::decode(&text).expect("hexadecimal");
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            assert!(challenges.read(&hex::encode(changed)).is_none(), "{at}");
        }
        let expired = [challenges.now().to_be_bytes().as_slice(), &[0; RANDOM]].concat();
        let code = challenges.code(&expired).finalize().into_bytes();
        let expired = [expired.as_slice(), &code[..CODE]].concat();
        assert!(challenges.read(&hex::encode(expired)).is_none());
    }
}
