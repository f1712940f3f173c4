//! The sessions of all clients, by their cookies.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use super::{lock, session::RamSession};
use crate::random::{self, RandomError};

/// Largest number of sessions at the same time, and of ended sessions that are kept. A session is cheap, but a stranger can begin
/// one.
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

impl Entry {
    fn note_end(&mut self) {
        if self.ended.is_none() && self.session.ending().is_some() {
            self.ended = Some(Instant::now());
        }
    }
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
            entry.note_end();
            entry
                .ended
                .is_none_or(|ended| ended.elapsed() < KEPT_AFTER_END)
        });
        // An ended session does not take the place of a new one.
        let ended = all.values().filter_map(|entry| entry.ended);
        let ended: Vec<_> = ended.collect();
        if all.len() - ended.len() >= MOST {
            return Err(TooManySessions::TooMany);
        }
        if ended.len() >= MOST
            && let Some(oldest) = ended.into_iter().min()
        {
            all.retain(|_, entry| entry.ended != Some(oldest));
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

#[cfg(test)]
mod tests {
    use countersign_ram::Initiation;

    use super::{super::ending::Ending, *};

    #[test]
    fn ended_sessions_make_room_for_new_ones() {
        let sessions = RamSessions::default();
        let begin = || {
            let initiation = Initiation {
                atr: Vec::new(),
                max_command: None,
                max_response: None,
            };
            let session = Arc::new(RamSession::new(&initiation, "127.0.0.1".into()));
            sessions.insert(session.clone()).map(|_| session)
        };
        let first: Vec<_> = (0..MOST).map(|_| begin().unwrap()).collect();
        assert!(matches!(begin(), Err(TooManySessions::TooMany)));
        for session in &first {
            session.end(Ending::Lost("the connection broke".into()));
        }
        for _ in 0..3 * MOST {
            begin()
                .unwrap()
                .end(Ending::Lost("the connection broke".into()));
        }
        assert!(lock(&sessions.0).len() <= 2 * MOST + 1);
        begin().unwrap();
    }
}
