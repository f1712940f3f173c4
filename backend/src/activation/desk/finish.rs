//! The end of an activation: revoke, lock, prove, record.

use std::time::Duration;

use countersign_protocol::{
    activation::{ActivationState, ActivationView, EndReason},
    audit::{Actor, AuditEvent},
    id::ActivationId,
};

use super::Desk;
use crate::{
    activation::{
        ActivationError, LockRequest,
        transition::{self, Change},
    },
    hsm::HsmError,
    store::activations::Activation,
};

impl Desk {
    pub(super) async fn lock(
        &mut self,
        id: &ActivationId,
        request: LockRequest,
    ) -> Result<ActivationView, ActivationError> {
        let activation = self.load(id).await?;
        let by = request.person;
        let open = matches!(activation.state, ActivationState::Open { .. });
        let reason = if by.id == activation.terms.requester.id && !open {
            EndReason::Cancelled { by }
        } else {
            EndReason::Locked { by }
        };
        self.end(activation, reason, &request.actor).await
    }

    /// Locks the HSM if this activation has it, then ends the activation.
    pub(super) async fn end(
        &mut self,
        activation: Activation,
        reason: EndReason,
        actor: &Actor,
    ) -> Result<ActivationView, ActivationError> {
        match &activation.state {
            ActivationState::Queued => {
                self.close(activation, reason, actor, Err(HsmError::NotOpen))
                    .await
            }
            ActivationState::Collecting | ActivationState::Open { .. } => {
                if let Some(lease) = self.app.activations.lease(&activation.terms.id) {
                    lease.revoke();
                }
                let proof = self.hsm.lock().await;
                self.close(activation, reason, actor, proof).await
            }
            ActivationState::Ended { reason, .. } => Err(ActivationError::Ended(reason.clone())),
        }
    }

    /// Ends an activation whose HSM was locked, or could not be.
    pub(super) async fn close(
        &mut self,
        activation: Activation,
        reason: EndReason,
        actor: &Actor,
        proof: Result<String, HsmError>,
    ) -> Result<ActivationView, ActivationError> {
        let id = activation.terms.id;
        let lease = self.app.activations.lease(&id);
        if let Some(lease) = &lease {
            lease.revoke();
            // What the card has signed is recorded before the end is.
            lease.drain().await;
        }
        let mut tx = self.app.store.write().await?;
        let mut activation = super::load(tx.connection(), &id).await?;
        match proof {
            Ok(proof) => {
                let hsm = self.hsm.id().clone();
                tx.audit(&Actor::Server, AuditEvent::HsmLocked { hsm, proof })
                    .await?;
            }
            // An absent HSM was reset when its connection was dropped, and is proven locked before it is used again.
            Err(HsmError::Unavailable(_) | HsmError::Stopped | HsmError::NotOpen) => {}
            Err(error) => {
                tracing::error!("HSM {} was not proven locked: {error}", self.hsm.id());
                activation.notice = Some(format!(
                    "The HSM could not be proven locked ({error}): it will not be used until it is."
                ));
            }
        }
        let view = transition::apply(
            &self.app,
            &mut tx,
            &mut activation,
            Change::End(reason.clone()),
            actor,
        )
        .await?;
        tx.commit().await?;
        if let Some(lease) = lease {
            lease.pool.remove(&id);
            lease.close();
        }
        // What was used up stays used up for the HSMs that are still to open.
        if view.state.is_ended() {
            self.app.activations.pools().remove(&id.activation());
            let longest = self.app.config.lease.max_collect_seconds;
            let longest = Duration::from_secs(longest.into());
            self.app.activations.attendance().forget(&id, longest);
        }
        super::super::end_others(&self.app, &activation.terms, &reason);
        Ok(view)
    }
}
