//! The rules, without server, database and cards: what the state of everything must be after each step.

use std::collections::{BTreeMap, BTreeSet};

use countersign_protocol::id::{ActivationId, TokenId};

use super::step::{File, Wanted};
use crate::test_server::{ANNA, BEN, CARLA};

/// Approvals that each HSM needs.
const REQUIRED: usize = 2;

/// Length of a lease, in seconds. Clocks move by multiples of [`super::step::TICK`], which never come close to it.
pub const LEASE: u32 = 600;

/// How long a request waits for its quorum, in seconds. See [`LEASE`].
pub const APPROVALS_WITHIN: u32 = 1000;

/// One activation.
#[derive(Clone, Debug)]
pub struct Expected {
    pub id: ActivationId,
    pub wanted: Wanted,
    /// Tells requests apart, because equal ones are one activation.
    pub reason: String,
    pub limit: u32,
    pub requester: usize,
    pub token: Option<TokenId>,
    /// The wall clock at which the request expires.
    expires: i64,
    /// When the leases of all HSMs end; set by the first HSM that opens.
    lease: Option<Time>,
    /// The state on each of its HSMs, in the order of the HSMs.
    pub members: Vec<State>,
    /// Signatures by idempotency key.
    pub made: BTreeMap<String, (File, Vec<u8>)>,
}

/// The clocks, in seconds since the beginning of the sequence.
#[derive(Clone, Copy, Debug, Default)]
struct Time {
    wall: i64,
    monotonic: i64,
}

impl Time {
    /// Whether one of the clocks has passed this time.
    fn has_come(self, now: Self) -> bool {
        self.wall <= now.wall || self.monotonic <= now.monotonic
    }
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
    fn waits(&self) -> bool {
        matches!(self, Self::Queued | Self::Awaiting { .. })
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

    pub fn is_open(&self) -> bool {
        self.members.contains(&State::Open)
    }

    pub fn has_ended(&self) -> bool {
        self.members.iter().all(|member| *member == State::Ended)
    }

    fn end(&mut self) {
        self.members.fill(State::Ended);
    }

    /// Ends what the clocks have ended.
    fn check_time(&mut self, now: Time) {
        let lease_is_over = self.lease.is_some_and(|end| end.has_come(now));
        if self.is_open() && lease_is_over {
            // The lease is one for all HSMs.
            return self.end();
        }
        if !self.members.iter().any(State::waits) {
            return;
        }
        // Only the thread of an open HSM watches the monotonic clock.
        if self.lease.is_some_and(|end| end.wall <= now.wall) {
            return self.end();
        }
        if self.expires <= now.wall {
            for member in &mut self.members {
                if member.waits() {
                    *member = State::Ended;
                }
            }
        }
    }
}

/// The entries that the log must have.
#[derive(Debug, Default)]
pub struct Logged {
    pub approvals: usize,
    pub declines: usize,
    pub openings: usize,
    pub key_revocations: usize,
    pub token_revocations: usize,
}

/// The state of everything, the oldest activation first.
#[derive(Debug, Default)]
pub struct Rules {
    pub activations: Vec<Expected>,
    pub revoked: BTreeSet<usize>,
    pub logged: Logged,
    now: Time,
}

/// A request that the server accepted.
pub struct Requested {
    pub id: ActivationId,
    pub wanted: Wanted,
    pub reason: String,
    pub limit: u32,
    pub requester: usize,
    pub token: Option<TokenId>,
}

impl Rules {
    /// The activation that has this HSM.
    pub fn current(&mut self, hsm: usize) -> Option<&mut Expected> {
        self.activations.iter_mut().find(|activation| {
            let member = activation.members.get(hsm);
            member.is_some_and(|member| *member != State::Ended)
        })
    }

    pub fn requested(&mut self, requested: Requested) {
        let Requested {
            id,
            wanted,
            reason,
            limit,
            requester,
            token,
        } = requested;
        self.activations.push(Expected {
            id,
            wanted,
            reason,
            limit,
            requester,
            token,
            expires: self.now.wall + i64::from(APPROVALS_WITHIN),
            lease: None,
            members: vec![State::Queued; wanted.hsms()],
            made: BTreeMap::new(),
        });
        self.settle();
    }

    pub fn confirmed(&self) -> usize {
        [ANNA, BEN, CARLA]
            .iter()
            .filter(|custodian| !self.revoked.contains(custodian))
            .count()
    }

    /// Whether this custodian may approve on this HSM now.
    pub fn may_approve(&mut self, custodian: usize, hsm: usize) -> bool {
        let revoked = self.revoked.contains(&custodian);
        match self.current(hsm).map(|current| &current.members[hsm]) {
            Some(State::Awaiting { approved, .. }) => !revoked && !approved.contains(&custodian),
            _ => false,
        }
    }

    pub fn approved(&mut self, custodian: usize, hsm: usize) {
        self.logged.approvals += 1;
        let now = self.now;
        let mut opened = false;
        if let Some(current) = self.current(hsm)
            && let State::Awaiting { approved, declined } = &mut current.members[hsm]
        {
            declined.remove(&custodian);
            approved.insert(custodian);
            if approved.len() == REQUIRED {
                if current.lease.is_some_and(|end| end.has_come(now)) {
                    // The HSM that was opened first is lost, and the time of the lease is over.
                    current.end();
                } else {
                    opened = true;
                    current.members[hsm] = State::Open;
                    current.lease.get_or_insert(Time {
                        wall: now.wall + i64::from(LEASE),
                        monotonic: now.monotonic + i64::from(LEASE),
                    });
                }
            }
        }
        self.logged.openings += usize::from(opened);
        self.settle();
    }

    pub fn declined(&mut self, custodian: usize, hsm: usize) {
        self.logged.declines += 1;
        if let Some(current) = self.current(hsm)
            && let State::Awaiting { declined, .. } = &mut current.members[hsm]
        {
            declined.insert(custodian);
        }
        self.settle();
    }

    pub fn signed(&mut self, id: &ActivationId, key: String, file: File, signature: Vec<u8>) {
        for activation in &mut self.activations {
            if activation.id == *id {
                activation
                    .made
                    .insert(key.clone(), (file, signature.clone()));
                if activation.left() == 0 {
                    activation.end();
                }
            }
        }
        self.settle();
    }

    /// Ends the activations that this is true of.
    pub fn end_where(&mut self, ends: impl Fn(&Expected) -> bool) {
        for activation in &mut self.activations {
            if ends(activation) {
                activation.end();
            }
        }
        self.settle();
    }

    /// A card has forgotten everything: its lease ends, and approvals are needed again.
    pub fn card_forgot(&mut self, hsm: usize) {
        if let Some(current) = self.current(hsm) {
            match &mut current.members[hsm] {
                member @ State::Open => *member = State::Ended,
                State::Awaiting { approved, .. } => approved.clear(),
                State::Queued | State::Ended => {}
            }
        }
        self.settle();
    }

    /// Activations that were ever open end, because the signatures of all HSMs were counted in memory.
    pub fn restarted(&mut self) {
        for activation in &mut self.activations {
            if activation.lease.is_some() {
                activation.end();
            }
            for member in &mut activation.members {
                if let State::Awaiting { approved, .. } = member {
                    approved.clear();
                }
            }
        }
        self.settle();
    }

    pub fn was_revoked(&mut self, person: usize) {
        self.logged.key_revocations += 1;
        self.revoked.insert(person);
        for activation in &mut self.activations {
            if activation.requester == person {
                activation.end();
            }
            for member in &mut activation.members {
                if let State::Awaiting { approved, .. } = member
                    && approved.contains(&person)
                {
                    // The card cannot forget one approval alone.
                    approved.clear();
                }
            }
        }
        self.settle();
    }

    /// Moves the clocks by this many seconds. A monotonic clock never goes back.
    pub fn time_passed(&mut self, wall: i64, monotonic: u32) {
        self.now.wall += wall;
        self.now.monotonic += i64::from(monotonic);
        self.settle();
    }

    /// Ends what has expired and what can no longer be approved, and gives each HSM to the oldest activation.
    fn settle(&mut self) {
        let (revoked, now) = (self.revoked.clone(), self.now);
        for activation in &mut self.activations {
            activation.check_time(now);
            for member in &mut activation.members {
                let declined = match member {
                    State::Awaiting { declined, .. } => declined.clone(),
                    State::Queued => BTreeSet::new(),
                    State::Open | State::Ended => continue,
                };
                let willing = [ANNA, BEN, CARLA]
                    .iter()
                    .filter(|one| !revoked.contains(one) && !declined.contains(one))
                    .count();
                if willing < REQUIRED {
                    *member = State::Ended;
                }
            }
        }
        for hsm in 0..super::world::HSMS {
            if let Some(current) = self.current(hsm)
                && current.members[hsm] == State::Queued
            {
                current.members[hsm] = State::Awaiting {
                    approved: BTreeSet::new(),
                    declined: BTreeSet::new(),
                };
            }
        }
    }
}
