//! Who still waits for an activation. Kept in memory only: after a restart everybody has the whole time again.

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

/// When requesters were last heard of.
pub struct Attendance {
    started: Instant,
    heard: Mutex<Heard>,
}

#[derive(Default)]
struct Heard {
    /// Of whoever asked for an activation, by its id.
    activations: HashMap<ActivationId, Instant>,
    /// Of programs that listen to the events of all activations of their owner.
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

    /// The requester asks for an activation, and waits for the answer as long as this.
    pub fn asks(&self, id: &ActivationId, wait: Duration) {
        let until = Instant::now() + wait;
        let mut heard = self.heard();
        let known = heard.activations.entry(id.activation()).or_insert(until);
        *known = until.max(*known);
    }

    /// A program of this requester listens.
    pub fn listens(&self, requester: &OperatorId) {
        let mut heard = self.heard();
        heard.people.insert(requester.clone(), Instant::now());
    }

    /// For how long nobody has been heard of who waits for this.
    pub fn silence(&self, terms: &ActivationTerms) -> Duration {
        let heard = self.heard();
        let asked = heard.activations.get(&terms.id.activation()).copied();
        let listened = heard.people.get(&terms.requester.id).copied();
        let heard = [asked, listened].into_iter().flatten();
        let last = heard.fold(self.started, Ord::max);
        // Whoever asked for it was there then.
        let age = Timestamp::now().duration_since(terms.requested_at);
        last.elapsed()
            .min(Duration::try_from(age).unwrap_or_default())
    }

    /// Nobody needs to wait any more; nor for anything that nobody has asked for as long as custodians may take at most:
    /// whoever asked while it ended has put it back.
    pub fn forget(&self, id: &ActivationId, longest: Duration) {
        let ended = id.activation();
        let waits =
            |id: &ActivationId, until: &mut Instant| *id != ended && until.elapsed() < longest;
        self.heard().activations.retain(waits);
    }
}

/// How long a requester may be out of reach for whom several have asked: whoever does not wait needs it to stay.
pub fn longer(one: Option<u32>, other: Option<u32>) -> Option<u32> {
    one.zip(other).map(|(one, other)| one.max(other))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_put_back_after_its_end_is_forgotten_in_time() {
        let [ended, other] = ["8K3F-92QD", "AAAA-BBBB"].map(ActivationId::new);
        let attendance = Attendance::default();
        attendance.forget(&ended, Duration::from_secs(60));
        attendance.asks(&ended, Duration::ZERO);
        attendance.forget(&other, Duration::from_secs(60));
        assert_eq!(attendance.heard().activations.len(), 1);
        attendance.forget(&other, Duration::ZERO);
        assert!(attendance.heard().activations.is_empty());
    }
}
