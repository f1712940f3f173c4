//! Changes the state of an activation. No other code does.

use countersign_protocol::{
    Timestamp,
    activation::{ActivationState, EndReason},
    audit::{Actor, AuditEvent},
};

use super::ActivationError;
use crate::{
    events::Change,
    store::{self, StoreError, WriteTx, activations::Activation},
};

#[derive(Clone, Debug)]
pub enum StateChange {
    /// The HSM was assigned to the activation, so custodians can approve.
    AwaitApprovals,
    /// The HSM was lost or logged out before the quorum was complete.
    Requeue,
    /// The lease began, and expires at this time.
    Open {
        until: Timestamp,
    },
    End(EndReason),
}

/// Changes the state, and writes the matching audit entry.
///
/// # Errors
/// [`ActivationError::Ended`] or [`ActivationError::Impossible`] if the change is not possible in the current state.
pub async fn apply(
    tx: &mut WriteTx,
    activation: &mut Activation,
    change: StateChange,
    actor: &Actor,
) -> Result<(), ActivationError> {
    use ActivationState as State;
    let now = Timestamp::now();
    let id = activation.terms.id.clone();
    let next = match (&activation.state, change) {
        (State::Queued, StateChange::AwaitApprovals) => State::AwaitingApprovals,
        (State::AwaitingApprovals, StateChange::Requeue) => {
            activation.authenticated = 0;
            State::Queued
        }
        (State::AwaitingApprovals, StateChange::Open { until }) => {
            activation.notice = None;
            activation.was_open = true;
            tx.audit(actor, AuditEvent::LeaseOpened { activation: id })
                .await?;
            State::Open {
                since: now,
                until,
                left: activation.terms.lease.signatures,
            }
        }
        (
            State::Queued | State::AwaitingApprovals | State::Open { .. },
            StateChange::End(reason),
        ) => {
            let (signatures, _) = store::signatures::counts(tx.connection(), &id).await?;
            let event = AuditEvent::ActivationEnded {
                activation: id,
                reason: reason.clone(),
                signatures,
            };
            tx.audit(actor, event).await?;
            State::Ended { reason, at: now }
        }
        (State::Ended { reason, .. }, _) => return Err(ActivationError::Ended(reason.clone())),
        (state, change) => {
            return Err(ActivationError::Impossible {
                state: Box::new(state.clone()),
                change: Box::new(change),
            });
        }
    };
    activation.state = next;
    Ok(store(tx, activation).await?)
}

/// Stores an activation, and reports the change to listeners.
pub async fn store(tx: &mut WriteTx, activation: &mut Activation) -> Result<(), StoreError> {
    store::activations::update(tx.connection(), activation).await?;
    activation.revision += 1;
    tx.changed(Change::Activation(activation.terms.id.activation()));
    tx.changed(Change::Hsm(activation.terms.hsm.id.clone()));
    Ok(())
}
