//! The rules, without server, database and card: what the state of everything must be after each step.

use std::collections::{BTreeMap, BTreeSet};

use countersign_protocol::id::ActivationId;

use super::step::{File, Wanted};
use crate::test_server::{ANNA, BEN, CARLA};

/// Approvals that the HSM needs.
const REQUIRED: usize = 2;

#[derive(Clone, Debug)]
pub struct Expected {
    pub id: ActivationId,
    pub wanted: Wanted,
    /// Tells requests apart, because equal ones are one activation.
    pub reason: String,
    pub limit: u32,
    pub state: State,
    /// Signatures by idempotency key.
    pub made: BTreeMap<String, (File, Vec<u8>)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    Queued,
    Awaiting {
        approved: BTreeSet<usize>,
        declined: BTreeSet<usize>,
    },
    Open,
    Ended,
}

impl State {
    fn awaiting() -> Self {
        Self::Awaiting {
            approved: BTreeSet::new(),
            declined: BTreeSet::new(),
        }
    }
}

impl Expected {
    pub fn left(&self) -> usize {
        (self.limit as usize).saturating_sub(self.made.len())
    }

    pub fn covers(&self, file: File) -> bool {
        match self.wanted {
            Wanted::AnyContent | Wanted::TwoFiles => true,
            Wanted::OneFileRsa => file == File::A,
        }
    }
}

/// The state of everything, the oldest activation first.
#[derive(Debug, Default)]
pub struct Rules {
    pub activations: Vec<Expected>,
    pub revoked: BTreeSet<usize>,
}

impl Rules {
    /// The activation that has the HSM.
    pub fn current(&mut self) -> Option<&mut Expected> {
        self.activations
            .iter_mut()
            .find(|activation| activation.state != State::Ended)
    }

    pub fn requested(&mut self, expected: Expected) {
        self.activations.push(expected);
        self.settle();
    }

    pub fn confirmed(&self) -> usize {
        [ANNA, BEN, CARLA]
            .iter()
            .filter(|custodian| !self.revoked.contains(custodian))
            .count()
    }

    /// Whether this custodian may approve now.
    pub fn may_approve(&mut self, custodian: usize) -> bool {
        let revoked = self.revoked.contains(&custodian);
        match self.current().map(|current| &current.state) {
            Some(State::Awaiting { approved, .. }) => !revoked && !approved.contains(&custodian),
            _ => false,
        }
    }

    pub fn approved(&mut self, custodian: usize) {
        if let Some(current) = self.current()
            && let State::Awaiting { approved, declined } = &mut current.state
        {
            declined.remove(&custodian);
            approved.insert(custodian);
            if approved.len() == REQUIRED {
                current.state = State::Open;
            }
        }
        self.settle();
    }

    pub fn declined(&mut self, custodian: usize) {
        if let Some(current) = self.current()
            && let State::Awaiting { declined, .. } = &mut current.state
        {
            declined.insert(custodian);
        }
        self.settle();
    }

    pub fn signed(&mut self, key: String, file: File, signature: Vec<u8>) {
        if let Some(current) = self.current() {
            current.made.insert(key, (file, signature));
            if current.left() == 0 {
                current.state = State::Ended;
            }
        }
        self.settle();
    }

    pub fn ended(&mut self) {
        if let Some(current) = self.current() {
            current.state = State::Ended;
        }
        self.settle();
    }

    pub fn withdrawn(&mut self, id: &ActivationId) {
        for activation in &mut self.activations {
            if activation.id == *id {
                activation.state = State::Ended;
            }
        }
        self.settle();
    }

    /// The card has forgotten everything: a lease ends, and approvals are needed again.
    pub fn card_forgot(&mut self) {
        if let Some(current) = self.current() {
            match &mut current.state {
                State::Open => current.state = State::Ended,
                State::Awaiting { approved, .. } => approved.clear(),
                State::Queued | State::Ended => {}
            }
        }
        self.settle();
    }

    pub fn was_revoked(&mut self, custodian: usize) {
        self.revoked.insert(custodian);
        if let Some(current) = self.current()
            && let State::Awaiting { approved, .. } = &mut current.state
            && approved.contains(&custodian)
        {
            // The card cannot forget one approval alone.
            approved.clear();
        }
        self.settle();
    }

    /// Ends what can no longer be approved, and gives the HSM to the oldest activation.
    fn settle(&mut self) {
        let revoked = self.revoked.clone();
        for activation in &mut self.activations {
            let declined = match &activation.state {
                State::Awaiting { declined, .. } => declined.clone(),
                State::Queued => BTreeSet::new(),
                State::Open | State::Ended => continue,
            };
            let willing = [ANNA, BEN, CARLA]
                .iter()
                .filter(|one| !revoked.contains(one) && !declined.contains(one))
                .count();
            if willing < REQUIRED {
                activation.state = State::Ended;
            }
        }
        if let Some(current) = self.current()
            && current.state == State::Queued
        {
            current.state = State::awaiting();
        }
    }
}
