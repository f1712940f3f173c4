//! Caches the callers that were recently looked up by token or certificate.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use countersign_protocol::{Timestamp, digest::Sha256Digest};

use super::Caller;

/// How long an entry is used. The time of a token's last use is recorded at the same interval.
const FRESH: Duration = Duration::from_secs(30);
/// Largest number of entries.
const MOST: usize = 1024;

/// A caller's credential, of which only the SHA-256 digest is stored.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub enum CacheKey {
    /// The secret of an API token.
    Secret(Sha256Digest),
    Certificate(Sha256Digest),
}

/// Cached callers. Clones share the same entries.
#[derive(Clone, Default)]
pub struct CallerCache(Arc<Mutex<HashMap<CacheKey, Known>>>);

struct Known {
    caller: Caller,
    generation: u64,
    expires_at: Timestamp,
    since: Instant,
}

impl CallerCache {
    /// Returns the cached caller, unless people or tokens have changed since it was looked up.
    pub fn known(&self, generation: u64, by: CacheKey) -> Option<Caller> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = all.get(&by)?;
        let good = known.generation == generation
            && known.since.elapsed() < FRESH
            && known.expires_at > Timestamp::now();
        good.then(|| known.caller.clone())
    }

    /// Stores a caller as it was looked up at this generation.
    pub fn remember(&self, by: CacheKey, generation: u64, expires_at: Timestamp, caller: &Caller) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= MOST {
            all.clear();
        }
        let known = Known {
            caller: caller.clone(),
            generation,
            expires_at,
            since: Instant::now(),
        };
        all.insert(by, known);
    }
}
