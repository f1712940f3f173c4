//! The end of an activation: revoke, lock, prove, record.

use countersign_protocol::{
    activation::{ActivationState, EndReason},
    audit::Actor,
    id::ActivationId,
};

use super::{
    Coordinator,
    overdue::{End, Overdue, Proof},
};
use crate::{
    activation::{ActivationError, LockRequest},
    events::Change,
    hsm::HsmError,
    store::activations::Activation,
};

impl Coordinator {
    pub(super) async fn lock(
        &mut self,
        id: &ActivationId,
        request: LockRequest,
    ) -> Result<(), ActivationError> {
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
    ) -> Result<(), ActivationError> {
        match &activation.state {
            ActivationState::Queued => {
                self.close(activation, reason, actor, Err(HsmError::NotOpen))
                    .await
            }
            ActivationState::Collecting | ActivationState::Open { .. } => {
                if let Some(lease) = self.leases.lease(&activation.terms.id) {
                    lease.revoke();
                }
                let proof = self.hsm.lock().await;
                if self.is_ending(&activation.terms.id) {
                    return Err(not_stored(&activation.terms.id, &proof.into()));
                }
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
    ) -> Result<(), ActivationError> {
        let id = activation.terms.id;
        let lease = self.leases.lease(&id);
        if let Some(lease) = &lease {
            lease.revoke();
            // What the card has signed is recorded before the end is.
            lease.drain().await;
        }
        let end = End {
            id: id.clone(),
            reason: reason.clone(),
            actor: actor.clone(),
            proof: proof.into(),
        };
        if let Proof::Failed(why) = &end.proof {
            tracing::error!(activation = %id, %why, "the HSM was not proven locked");
        }
        let error = match self.store_end(&end).await {
            Err(ActivationError::Store(error)) => error,
            stored => return stored,
        };
        tracing::error!(activation = %id, %error, "the end of an activation could not be stored, and is tried again");
        // Callers that wait for the end need not wait until it is stored.
        if let Some(lease) = lease {
            lease.close(reason);
        }
        let refused = not_stored(&id, &end.proof);
        self.overdue.push_back(Overdue::End(end));
        // The stored state has not changed, but what is shown of it has.
        self.store.publish(Change::Activation(id.activation()));
        Err(refused)
    }
}

fn not_stored(id: &ActivationId, proof: &Proof) -> ActivationError {
    let locked = match proof {
        Proof::Proven(_) => "the HSM is locked, and nothing more is signed".to_owned(),
        Proof::NotNeeded => "nothing more is signed".to_owned(),
        Proof::Failed(why) => {
            format!("nothing more is signed, but the HSM could not be proven locked ({why})")
        }
    };
    ActivationError::NotStored(format!(
        "{locked}; the server cannot store the end of activation {id} yet, and tries again until it can"
    ))
}
