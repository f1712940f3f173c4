//! An activation that waits for approvals gives way to the next one in the queue after some time without an approval.

use std::time::Duration;

use countersign_protocol::{activation::ActivationState, id::MemberId, text::duration};
use tokio::time::Instant;

use super::{
    Coordinator,
    overdue::{Overdue, Place},
};
use crate::{activation::ActivationError, store::activations::Activation};

/// The activation that has the HSM while others wait for it.
pub(super) struct Turn {
    activation: MemberId,
    /// When it last made progress, or when the first of the others began to wait.
    since: Instant,
}

impl Coordinator {
    /// Notes who has the HSM, and returns when that activation must give way.
    pub(super) fn note_turn(&mut self, active: &[Activation]) -> Option<Instant> {
        let holder = active
            .iter()
            .find(|activation| activation.state == ActivationState::AwaitingApprovals)
            .map(|activation| &activation.terms.id)
            .filter(|_| self.others_wait(active));
        let Some(holder) = holder else {
            self.turn = None;
            return None;
        };
        let same = self.turn.as_ref().filter(|turn| turn.activation == *holder);
        let since = same.map_or_else(Instant::now, |turn| turn.since);
        self.turn = Some(Turn {
            activation: holder.clone(),
            since,
        });
        Some(since + self.turn_time())
    }

    /// Restarts the turn after an approval.
    pub(super) fn prolong_turn(&mut self) {
        self.turn = None;
    }

    /// Ends the turn of the activation that has the HSM, if its time is over and others still wait.
    pub(super) async fn end_turn(&mut self) -> Result<(), ActivationError> {
        let active = self.active().await?;
        let is_over = self
            .note_turn(&active)
            .is_some_and(|end| end <= Instant::now());
        if !is_over {
            return Ok(());
        }
        let seconds = self.limits.turn_seconds;
        let why = format!(
            "no custodian approved it for {} while other requests waited, so it gave way to the next one and is at the end of \
             the queue",
            duration(seconds)
        );
        self.turn = None;
        self.log_out().await?;
        let place = Place::End;
        self.settle_with(Overdue::Requeue { why, place }).await
    }

    fn others_wait(&self, active: &[Activation]) -> bool {
        active.iter().any(|activation| {
            activation.state == ActivationState::Queued && !self.is_ending(&activation.terms.id)
        })
    }

    fn turn_time(&self) -> Duration {
        Duration::from_secs(self.limits.turn_seconds.into())
    }
}
