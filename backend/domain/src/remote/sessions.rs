//! The sessions of all clients, by their cookies.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use super::{lock, session::RamSession};
use crate::random::{self, RandomError};

/// Largest number of sessions at the same time. A session is cheap, but a stranger can begin one.
const MOST: usize = 256;
/// Time for which a session is kept after its end, so that its client learns of the end when it posts again.
const KEPT_AFTER_END: Duration = Duration::from_secs(60);

/// The reasons why a new session is rejected.
#[derive(Debug, thiserror::Error)]
pub enum TooManySessions {
    #[error("too many cards are being attached: try again in a minute")]
    TooMany,
    #[error(transparent)]
    Random(#[from] RandomError),
}

struct Entry {
    session: Arc<RamSession>,
    /// When it was first found to have ended.
    ended: Option<Instant>,
}

/// The sessions of all clients, by their cookies. The cookies are secrets.
#[derive(Default)]
pub struct RamSessions(Mutex<HashMap<String, Entry>>);

impl RamSessions {
    /// Adds a new session and returns its cookie.
    pub fn insert(&self, session: Arc<RamSession>) -> Result<String, TooManySessions> {
        let cookie = random::random(32)?;
        let mut all = lock(&self.0);
        all.retain(|_, entry| {
            if entry.session.ending().is_some() {
                entry.ended.get_or_insert_with(Instant::now).elapsed() < KEPT_AFTER_END
            } else {
                true
            }
        });
        if all.len() >= MOST {
            return Err(TooManySessions::TooMany);
        }
        let entry = Entry {
            session,
            ended: None,
        };
        all.insert(cookie.clone(), entry);
        Ok(cookie)
    }

    pub fn get(&self, cookie: &str) -> Option<Arc<RamSession>> {
        lock(&self.0).get(cookie).map(|entry| entry.session.clone())
    }

    /// Removes a session whose client has learnt of its end.
    pub fn remove(&self, cookie: &str) {
        lock(&self.0).remove(cookie);
    }
}
