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

pub struct Attendance {
    started: Instant,
    heard: Mutex<Heard>,
}

#[derive(Default)]
struct Heard {
    /// When a client last polled for this activation, or the end of its long poll.
    activations: HashMap<ActivationId, Instant>,
    /// When a client of this requester was last connected to the event stream, which covers all of the requester's activations.
    people: HashMap<OperatorId, Instant>,
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
        let known = heard.activations.entry(id.clone()).or_insert(until);
        *known = until.max(*known);
    }

    /// Notes that a client of this requester is connected to the event stream.
    pub fn note_listener(&self, requester: &OperatorId) {
        let mut heard = self.heard();
        heard.people.insert(requester.clone(), Instant::now());
    }

    /// Time since any client last polled for this activation.
    pub fn since_last_poll(&self, terms: &ActivationTerms) -> Duration {
        let heard = self.heard();
        let asked = heard.activations.get(&terms.id.activation()).copied();
        let listened = heard.people.get(&terms.requester.id).copied();
        let heard = [asked, listened].into_iter().flatten();
        let last = heard.fold(self.started, Ord::max);
        // Creating the request counts as a poll.
        let age = Timestamp::now().duration_since(terms.requested_at);
        last.elapsed()
            .min(Duration::try_from(age).unwrap_or_default())
    }

    /// Drops the entry of an ended activation and all entries older than `longest`, because a poll that raced with the end may
    /// have inserted an entry again.
    pub fn forget(&self, id: &ActivationId, longest: Duration) {
        let waits =
            |other: &ActivationId, until: &mut Instant| other != id && until.elapsed() < longest;
        self.heard().activations.retain(waits);
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
