//! CallerCache by token or certificate who were looked up a moment ago.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use countersign_protocol::{Timestamp, digest::Sha256Digest};

use super::Caller;

/// How long one is good; the time of a token's last use is noted as often.
const FRESH: Duration = Duration::from_secs(30);
/// Most that are remembered.
const MOST: usize = 1024;

/// What a caller is known by, as SHA-256 only.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub enum By {
    /// A token's secret.
    Secret(Sha256Digest),
    /// A certificate.
    Certificate(Sha256Digest),
}

/// The callers. Clones are the same.
#[derive(Clone, Default)]
pub struct CallerCache(Arc<Mutex<HashMap<By, Known>>>);

struct Known {
    caller: Caller,
    generation: u64,
    expires_at: Timestamp,
    since: Instant,
}

impl CallerCache {
    /// This caller, unless anything about people or tokens has changed since.
    pub fn known(&self, generation: u64, by: By) -> Option<Caller> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = all.get(&by)?;
        let good = known.generation == generation
            && known.since.elapsed() < FRESH
            && known.expires_at > Timestamp::now();
        good.then(|| known.caller.clone())
    }

    /// Remembers a caller as it was at this generation.
    pub fn remember(&self, by: By, generation: u64, expires_at: Timestamp, caller: &Caller) {
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
