//! The one place where the state of an activation changes.

use countersign_protocol::{
    Timestamp,
    activation::{ActivationState, ActivationView, EndReason},
    audit::{Actor, AuditEvent},
    event::Event,
};

use super::{ActivationError, view};
use crate::{
    app::App,
    hsm,
    store::{self, WriteTx, activations::Activation},
};

/// A change of state.
#[derive(Clone, Debug)]
pub enum Change {
    /// The HSM is there: custodians are asked.
    Collect,
    /// The HSM was lost before the quorum was there.
    Requeue,
    /// The lease began; it ends at this time at the latest.
    Open {
        /// Latest end.
        until: Timestamp,
    },
    /// It is over.
    End(EndReason),
}

/// Changes the state, with the audit entry and the events that belong to it.
///
/// # Errors
/// [`ActivationError::Conflict`] for a change that cannot follow the present state.
pub async fn apply(
    app: &App,
    tx: &mut WriteTx,
    activation: &mut Activation,
    change: Change,
    actor: &Actor,
) -> Result<ActivationView, ActivationError> {
    use ActivationState as State;
    let now = Timestamp::now();
    let id = activation.terms.id.clone();
    let next = match (&activation.state, change) {
        (State::Queued, Change::Collect) => State::Collecting,
        (State::Collecting, Change::Requeue) => {
            activation.authenticated = 0;
            State::Queued
        }
        (State::Collecting, Change::Open { until }) => {
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
        (State::Queued | State::Collecting | State::Open { .. }, Change::End(reason)) => {
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
            return Err(ActivationError::Conflict(format!(
                "{change:?} cannot follow {state:?}"
            )));
        }
    };
    activation.state = next;
    store(app, tx, activation).await
}

/// Stores what else has changed, and tells listeners.
///
/// # Errors
/// The database's.
pub async fn store(
    app: &App,
    tx: &mut WriteTx,
    activation: &mut Activation,
) -> Result<ActivationView, ActivationError> {
    store::activations::update(tx.connection(), activation).await?;
    activation.revision += 1;
    let members = store::activations::members(tx.connection(), &activation.terms.id).await?;
    let view = view::build(tx.connection(), app, &members)
        .await?
        .ok_or_else(|| ActivationError::NotFound(activation.terms.id.clone()))?;
    tx.announce(Event::Activation {
        activation: Box::new(view.clone()),
    });
    if let Ok(hsm) = app.hsms.get(&activation.terms.hsm.id) {
        let hsm = hsm::view(tx.connection(), &hsm).await?;
        tx.announce(Event::Hsm { hsm: Box::new(hsm) });
    }
    Ok(view)
}
