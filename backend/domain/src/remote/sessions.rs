//! RamSessions by their cookies.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use super::{lock, session::RamSession};
use crate::random::{self, RandomError};

/// RamSessions at the same time. Each is cheap, but strangers can begin them.
const MOST: usize = 256;
/// For how long a session that is over can still tell its client so.
const REMEMBERED: Duration = Duration::from_secs(60);

/// There are too many.
#[derive(Debug, thiserror::Error)]
pub enum TooManySessions {
    /// Try later.
    #[error("too many cards are being attached: try again in a minute")]
    TooMany,
    /// No random numbers.
    #[error(transparent)]
    Random(#[from] RandomError),
}

struct Entry {
    session: Arc<RamSession>,
    /// When it was first seen to be over.
    over: Option<Instant>,
}

/// RamSessions by their cookies, which are secrets.
#[derive(Default)]
pub struct RamSessions(Mutex<HashMap<String, Entry>>);

impl RamSessions {
    /// Enters a new session; returns its cookie.
    ///
    /// # Errors
    /// [`TooManySessions`].
    pub fn insert(&self, session: Arc<RamSession>) -> Result<String, TooManySessions> {
        let cookie = random::random(32)?;
        let mut all = lock(&self.0);
        all.retain(|_, entry| {
            if entry.session.over().is_some() {
                entry.over.get_or_insert_with(Instant::now).elapsed() < REMEMBERED
            } else {
                true
            }
        });
        if all.len() >= MOST {
            return Err(TooManySessions::TooMany);
        }
        let entry = Entry {
            session,
            over: None,
        };
        all.insert(cookie.clone(), entry);
        Ok(cookie)
    }

    /// The session of a cookie.
    pub fn get(&self, cookie: &str) -> Option<Arc<RamSession>> {
        lock(&self.0).get(cookie).map(|entry| entry.session.clone())
    }

    /// Forgets a session that has nothing more to say.
    pub fn remove(&self, cookie: &str) {
        lock(&self.0).remove(cookie);
    }
}
