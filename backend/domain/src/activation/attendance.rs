//! When clients last polled for their activations. Kept in memory only, so the limit for abandoned requests starts again after a
//! restart.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use countersign_protocol::{
    Timestamp,
    activation::ActivationTerms,
    id::{ActivationId, OperatorId},
};

/// How long a program whose connection broke during a poll may take to poll again. A program that was killed never does.
/// The limit is longer than the restart of a proxy and the pauses between a client's attempts.
const RETURN_SECONDS: u32 = 25;

pub struct Attendance {
    started: Instant,
    heard: Mutex<Heard>,
}

#[derive(Default)]
struct Heard {
    activations: HashMap<ActivationId, Polls>,
    /// When a client of this requester was last connected to the event stream, which covers all of the requester's activations.
    people: HashMap<OperatorId, Instant>,
}

/// The polls for one activation.
struct Polls {
    /// When a client last polled, or the end of its long poll.
    until: Instant,
    /// Number of polls that the server has not answered yet.
    unanswered: usize,
    /// When the connection of the last one broke, unless a client has polled since.
    broken: Option<Instant>,
}

/// A poll that the server has not answered yet. Dropped without an answer, it means that the client's connection broke.
pub struct Poll<'a> {
    attendance: &'a Attendance,
    id: &'a ActivationId,
    is_answered: bool,
}

impl Poll<'_> {
    /// Notes that the client gets its answer.
    pub fn answer(mut self) {
        self.is_answered = true;
    }
}

impl Drop for Poll<'_> {
    fn drop(&mut self) {
        let mut heard = self.attendance.heard();
        let Some(polls) = heard.activations.get_mut(self.id) else {
            return;
        };
        polls.unanswered = polls.unanswered.saturating_sub(1);
        let is_last = polls.unanswered == 0;
        polls.broken = (is_last && !self.is_answered).then(Instant::now);
    }
}

impl Default for Attendance {
    fn default() -> Self {
        Self {
            started: Instant::now(),
            heard: Mutex::default(),
        }
    }
}

impl Attendance {
    fn heard(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a poll by the requester, which lasts up to `wait`.
    pub fn note_poll(&self, id: &ActivationId, wait: Duration) {
        let until = Instant::now() + wait;
        let mut heard = self.heard();
        let polls = heard.polls(id, until);
        polls.until = until.max(polls.until);
        polls.broken = None;
    }

    /// Begins a poll that ends with an answer or with a broken connection.
    pub fn begin_poll<'a>(&'a self, id: &'a ActivationId) -> Poll<'a> {
        self.heard().polls(id, Instant::now()).unanswered += 1;
        Poll {
            attendance: self,
            id,
            is_answered: false,
        }
    }

    /// How long the activation is still kept after the connection of its last client broke during a poll, and the limit in
    /// seconds. `None` if no connection broke or a client has returned.
    pub fn left_to_return(&self, terms: &ActivationTerms) -> Option<(Duration, u32)> {
        let heard = self.heard();
        let broken = heard.activations.get(&terms.id.activation())?.broken?;
        let listened = heard.people.get(&terms.requester.id);
        if listened.is_some_and(|at| *at >= broken) {
            return None;
        }
        let limit = Duration::from_secs(RETURN_SECONDS.into());
        Some((limit.saturating_sub(broken.elapsed()), RETURN_SECONDS))
    }

    /// Notes that a client of this requester is connected to the event stream.
    pub fn note_listener(&self, requester: &OperatorId) {
        let mut heard = self.heard();
        heard.people.insert(requester.clone(), Instant::now());
    }

    /// Time since any client last polled for this activation.
    pub fn since_last_poll(&self, terms: &ActivationTerms, now: Timestamp) -> Duration {
        let heard = self.heard();
        let polls = heard.activations.get(&terms.id.activation());
        let asked = polls.map(|polls| polls.until);
        let listened = heard.people.get(&terms.requester.id).copied();
        let heard = [asked, listened].into_iter().flatten();
        let last = heard.fold(self.started, Ord::max);
        // Creating the request counts as a poll.
        let age = now.duration_since(terms.requested_at);
        last.elapsed()
            .min(Duration::try_from(age).unwrap_or_default())
    }

    /// Drops the entry of an ended activation and all entries older than `longest`, because a poll that raced with the end may
    /// have inserted an entry again.
    pub fn forget(&self, id: &ActivationId, longest: Duration) {
        let waits = |other: &ActivationId, polls: &mut Polls| {
            other != id && polls.until.elapsed() < longest
        };
        self.heard().activations.retain(waits);
    }
}

impl Heard {
    /// The polls for an activation, of which the first one lasts until `until`.
    fn polls(&mut self, id: &ActivationId, until: Instant) -> &mut Polls {
        self.activations.entry(id.clone()).or_insert(Polls {
            until,
            unanswered: 0,
            broken: None,
        })
    }
}

/// The longer of two limits for abandoned requests. `None` means that no client waits, so that the request never counts as
/// abandoned.
pub fn longer(one: Option<u32>, other: Option<u32>) -> Option<u32> {
    one.zip(other).map(|(one, other)| one.max(other))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether the connection of the last client is known to have broken.
    fn is_broken(attendance: &Attendance, id: &ActivationId) -> bool {
        let heard = attendance.heard();
        heard
            .activations
            .get(id)
            .is_some_and(|polls| polls.broken.is_some())
    }

    #[test]
    fn a_connection_that_broke_during_a_poll_is_noticed_until_a_client_returns() {
        let id = ActivationId::new("8K3F-92QD");
        let attendance = Attendance::default();
        attendance.begin_poll(&id).answer();
        assert!(!is_broken(&attendance, &id));
        let (first, second) = (attendance.begin_poll(&id), attendance.begin_poll(&id));
        drop(first);
        // Another client still waits.
        assert!(!is_broken(&attendance, &id));
        drop(second);
        assert!(is_broken(&attendance, &id));
        attendance.note_poll(&id, Duration::ZERO);
        assert!(!is_broken(&attendance, &id));
    }

    #[test]
    fn an_entry_that_a_late_poll_inserted_again_is_dropped_in_time() {
        let [ended, other] = ["8K3F-92QD", "AAAA-BBBB"].map(ActivationId::new);
        let attendance = Attendance::default();
        attendance.forget(&ended, Duration::from_secs(60));
        attendance.note_poll(&ended, Duration::ZERO);
        attendance.forget(&other, Duration::from_secs(60));
        assert_eq!(attendance.heard().activations.len(), 1);
        attendance.forget(&other, Duration::ZERO);
        assert!(attendance.heard().activations.is_empty());
    }
}
