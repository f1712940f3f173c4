//! Timed steps: ends expired and abandoned requests, reports progress and checks the custodians.

use std::time::Duration;

use countersign_protocol::{
    Timestamp,
    activation::{ActivationState, EndReason},
    audit::Actor,
    id::MemberId,
};
use jiff::SignedDuration;
use tokio::time::Instant;

use super::Coordinator;
use crate::{
    activation::{ActivationError, eligible::willing, load, transition},
    store::activations::Activation,
};

/// Shortest interval between two reports of progress, because signatures can follow each other quickly.
const PROGRESS: Duration = Duration::from_millis(250);
/// Pause after a failed step.
pub(super) const PAUSE: Duration = Duration::from_secs(1);
/// Longest sleep, so that a missed change is noticed.
const LONGEST_SLEEP: Duration = Duration::from_secs(30);

/// When the coordinator must wake up.
#[derive(Default)]
pub(super) struct Timers {
    /// The activation whose progress must be reported, and the time of the report.
    progress: Option<(MemberId, Instant)>,
    expiry: Expiry,
    /// When the activation that waits for approvals gives way to the next one.
    turn_ends: Option<Instant>,
}

/// When the first activation expires. Determined again after every change.
#[derive(Clone, Copy, Default)]
enum Expiry {
    #[default]
    Unknown,
    None,
    At(Timestamp),
}

impl Timers {
    pub fn forget_expiry(&mut self) {
        self.expiry = Expiry::Unknown;
    }

    pub fn report_progress(&mut self, activation: MemberId) {
        self.progress
            .get_or_insert_with(|| (activation, Instant::now() + PROGRESS));
    }

    fn take_progress(&mut self) -> Option<MemberId> {
        let due = |(_, at): &mut (MemberId, Instant)| *at <= Instant::now();
        self.progress.take_if(due).map(|(id, _)| id)
    }

    pub fn wake_at(&self, expiry: Option<Instant>, is_overdue: bool) -> Instant {
        let longest = if is_overdue { PAUSE } else { LONGEST_SLEEP };
        let progress = self.progress.as_ref().map(|(_, at)| *at);
        [expiry, progress, self.turn_ends]
            .into_iter()
            .flatten()
            .fold(Instant::now() + longest, Ord::min)
    }
}

impl Coordinator {
    pub(super) async fn next_wake(&mut self) -> Instant {
        if matches!(self.timers.expiry, Expiry::Unknown)
            && let Ok(active) = self.active().await
        {
            let waiting = active.iter().filter(|activation| waits(activation));
            let first = waiting
                .map(|activation| self.waits_until(activation).0)
                .min();
            self.timers.expiry = first.map_or(Expiry::None, Expiry::At);
            self.timers.turn_ends = self.note_turn(&active);
        }
        let expiry = match self.timers.expiry {
            Expiry::At(at) => {
                let left = Duration::try_from(at.duration_since(self.clock.now()));
                Some(Instant::now() + left.unwrap_or_default())
            }
            Expiry::Unknown | Expiry::None => None,
        };
        self.wake_at(expiry)
    }

    pub(super) async fn tick(&mut self) -> Result<(), ActivationError> {
        self.settle().await?;
        if let Some(id) = self.timers.take_progress() {
            let mut tx = self.store.write().await?;
            let mut activation = load(tx.connection(), &id).await?;
            transition::store(&mut tx, &mut activation).await?;
            tx.commit().await?;
        }
        for activation in self.active().await? {
            let (until, reason) = self.waits_until(&activation);
            if waits(&activation)
                && until <= self.clock.now()
                && !self.is_ending(&activation.terms.id)
            {
                self.end(activation, reason, &Actor::Server).await?;
            }
        }
        self.check_people().await?;
        self.end_turn().await?;
        self.advance().await
    }

    /// Ends or restarts activations after a change of people, keys, roles or tokens. If that frees the HSM, the next activation
    /// gets it.
    pub(super) async fn check_people(&mut self) -> Result<(), ActivationError> {
        self.timers.forget_expiry();
        self.check_requesters().await?;
        self.check_custodians().await?;
        self.advance().await
    }

    /// How long an activation waits for its quorum, and the reason for its end at that time.
    fn waits_until(&self, activation: &Activation) -> (Timestamp, EndReason) {
        let terms = &activation.terms;
        let without = match activation.state {
            ActivationState::Queued => EndReason::ExpiredInQueue,
            _ => EndReason::Expired,
        };
        let expires = (terms.expires_at, without);
        let sooner = match self.leases.pool(&terms.id.activation()) {
            // Another HSM of the pool is already open, so wait no longer than that lease. The limit for abandoned requests does
            // not apply, because the client signs and no longer polls.
            Some(pool) => pool.ends_at().map(|end| (end, EndReason::LeaseExpired)),
            None => self.abandoned(activation),
        };
        sooner.filter(|(at, _)| *at < expires.0).unwrap_or(expires)
    }

    /// When the request counts as abandoned if no client polls for it until then. A client whose connection broke during a
    /// poll was probably killed, so that its request blocks the HSM for a shorter time only.
    fn abandoned(&self, activation: &Activation) -> Option<(Timestamp, EndReason)> {
        let seconds = activation.abandoned_after?;
        if let Some((left, limit)) = self.attendance.left_to_return(&activation.terms)
            && limit < seconds
        {
            let left = SignedDuration::try_from(left).unwrap_or_default();
            let at = self.clock.now().saturating_add(left).ok()?;
            return Some((at, EndReason::Abandoned { seconds: limit }));
        }
        let since_last_poll = self
            .attendance
            .since_last_poll(&activation.terms, self.clock.now());
        let left = SignedDuration::from_secs(seconds.into())
            - SignedDuration::try_from(since_last_poll).unwrap_or(SignedDuration::MAX);
        let at = self.clock.now().saturating_add(left).ok()?;
        Some((at, EndReason::Abandoned { seconds }))
    }

    /// Ends activations for which too few custodians are left. Collects all approvals again if the HSM counts one by a key that
    /// was revoked.
    pub(super) async fn check_custodians(&mut self) -> Result<(), ActivationError> {
        for activation in self.active().await? {
            if !waits(&activation) || self.is_ending(&activation.terms.id) {
                continue;
            }
            let mut connection = self.store.read().await?;
            let willing = willing(&mut connection, &activation.terms).await?;
            drop(connection);
            let required = activation.terms.quorum.required;
            if willing.count < usize::from(required) {
                let why = format!(
                    "{required} approvals are needed, but only {} of the HSM's custodians can still approve: ask an admin to \
                     register others",
                    willing.count
                );
                self.end(activation, EndReason::Failed { why }, &Actor::Server)
                    .await?;
            } else if willing.revoked_is_counted {
                self.await_approvals_again(
                    "the key of a custodian who had approved was revoked".into(),
                )
                .await?;
            }
        }
        Ok(())
    }
}

/// Whether an activation still waits for its quorum.
fn waits(activation: &Activation) -> bool {
    matches!(
        activation.state,
        ActivationState::Queued | ActivationState::AwaitingApprovals
    )
}
