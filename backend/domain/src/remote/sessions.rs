//! The sessions of all clients, by their cookies.
//!
//! Anyone can begin a session, so a new one always finds a place: sessions that have ended give way, and then those whose device has
//! not proven its key. A session whose device has proven its key never gives way. There is at most one for each HSM and each waiting
//! device.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use super::{ending::Ending, lock, session::RamSession};
use crate::{
    network::Network,
    random::{self, RandomError},
};

/// Largest number of sessions whose device has not proven its key. Each of them keeps a thread busy.
const MOST: usize = 128;
/// Largest number of such sessions from one network.
const MOST_OF_NETWORK: usize = 32;
/// Largest number of sessions that are kept after their end.
const MOST_ENDED: usize = 256;
/// Time for which a session is kept after its end, so that its client learns of the end when it posts again.
const KEPT_AFTER_END: Duration = Duration::from_secs(60);

struct Entry {
    session: Arc<RamSession>,
    from: Network,
    /// Grows with each session.
    number: u64,
    /// When it was first found to have ended.
    ended: Option<Instant>,
}

impl Entry {
    fn is_unverified(&self) -> bool {
        self.ended.is_none() && !self.session.is_verified()
    }
}

/// The sessions of all clients, by their cookies. The cookies are secrets.
#[derive(Default)]
pub struct RamSessions(Mutex<All>);

#[derive(Default)]
struct All {
    last: u64,
    entries: HashMap<String, Entry>,
}

impl RamSessions {
    /// Adds a new session and returns its cookie.
    pub fn insert(&self, session: Arc<RamSession>, from: Network) -> Result<String, RandomError> {
        let cookie = random::random(32)?;
        let mut all = lock(&self.0);
        all.forget_ended();
        all.make_place(from);
        all.last += 1;
        let entry = Entry {
            session,
            from,
            number: all.last,
            ended: None,
        };
        all.entries.insert(cookie.clone(), entry);
        Ok(cookie)
    }

    pub fn get(&self, cookie: &str) -> Option<Arc<RamSession>> {
        let all = lock(&self.0);
        all.entries.get(cookie).map(|entry| entry.session.clone())
    }

    /// Removes a session whose client has learnt of its end.
    pub fn remove(&self, cookie: &str) {
        lock(&self.0).entries.remove(cookie);
    }
}

impl All {
    fn forget_ended(&mut self) {
        for entry in self.entries.values_mut() {
            if entry.ended.is_none() && entry.session.ending().is_some() {
                entry.ended = Some(Instant::now());
            }
        }
        let mut ended: Vec<_> = self
            .entries
            .values()
            .filter_map(|entry| Some((entry.ended?, entry.number)))
            .collect();
        ended.sort_unstable();
        let surplus = ended.len().saturating_sub(MOST_ENDED);
        // Sessions with a lower number than this have ended too long ago, or there are too many of them.
        let kept: Vec<_> = ended
            .into_iter()
            .skip(surplus)
            .filter(|(at, _)| at.elapsed() < KEPT_AFTER_END)
            .map(|(_, number)| number)
            .collect();
        self.entries
            .retain(|_, entry| entry.ended.is_none() || kept.contains(&entry.number));
    }

    /// Ends a session whose device has not proven its key, if there are too many of them.
    fn make_place(&mut self, from: Network) {
        let mut per_network = HashMap::<Network, usize>::new();
        for entry in self.entries.values().filter(|entry| entry.is_unverified()) {
            *per_network.entry(entry.from).or_default() += 1;
        }
        let of_this = per_network.get(&from).copied().unwrap_or_default();
        let all: usize = per_network.values().sum();
        let fullest = per_network.into_iter().max_by_key(|(_, count)| *count);
        let network = match fullest {
            _ if of_this >= MOST_OF_NETWORK => from,
            Some((fullest, _)) if all >= MOST => fullest,
            _ => return,
        };
        let of_network = self
            .entries
            .values_mut()
            .filter(|entry| entry.from == network && entry.is_unverified());
        if let Some(entry) = of_network.min_by_key(|entry| (entry.session.answers(), entry.number))
        {
            entry.ended = Some(Instant::now());
            entry.session.end(Ending::Refused(
                "Too many cards are being attached from this network: try again in a minute".into(),
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use countersign_ram::Initiation;

    use super::*;

    fn session() -> Arc<RamSession> {
        let initiation = Initiation {
            atr: vec![0x3b],
            max_command: None,
            max_response: None,
        };
        Arc::new(RamSession::new(&initiation, [127, 0, 0, 1].into()))
    }

    fn network(last: u8) -> Network {
        IpAddr::from([192, 0, 2, last]).into()
    }

    fn insert(sessions: &RamSessions, from: u8) -> (String, Arc<RamSession>) {
        let session = session();
        let cookie = sessions.insert(session.clone(), network(from));
        (cookie.expect("a place"), session)
    }

    #[test]
    fn verified_sessions_never_give_way_and_new_ones_always_find_a_place() {
        let sessions = RamSessions::default();
        let (verified_cookie, verified) = insert(&sessions, 1);
        verified.mark_verified();
        let (_, other_network) = insert(&sessions, 2);
        let (_, oldest) = insert(&sessions, 1);
        for _ in 0..1000 {
            let (_, new) = insert(&sessions, 1);
            assert!(new.ending().is_none());
        }
        assert!(verified.ending().is_none() && other_network.ending().is_none());
        assert!(sessions.get(&verified_cookie).is_some());
        assert!(oldest.ending().is_some());
        // Strangers of many networks, too.
        for from in 3..200 {
            let (_, new) = insert(&sessions, from);
            assert!(new.ending().is_none());
        }
        assert!(verified.ending().is_none());
        let all = lock(&sessions.0);
        assert!(all.entries.len() <= 1 + MOST + MOST_ENDED + 1);
    }

    #[test]
    fn the_session_without_answers_gives_way_before_one_that_answers() {
        let sessions = RamSessions::default();
        let (_, answers) = insert(&sessions, 1);
        answers.note_answer();
        for _ in 0..100 {
            insert(&sessions, 1);
        }
        assert!(answers.ending().is_none());
    }

    #[test]
    fn a_client_learns_of_the_end_of_its_session() {
        let sessions = RamSessions::default();
        let (cookie, session) = insert(&sessions, 1);
        session.end(Ending::Aborted("pulled".into()));
        insert(&sessions, 1);
        assert!(sessions.get(&cookie).is_some());
        for _ in 0..400 {
            let (_, ended) = insert(&sessions, 1);
            ended.end(Ending::Aborted("pulled".into()));
        }
        assert!(sessions.get(&cookie).is_none());
    }
}
