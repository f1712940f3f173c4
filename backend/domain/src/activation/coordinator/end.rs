//! Ends activations: revokes the lease, locks the HSM, proves the lock and stores the end.

use std::{sync::Arc, time::Duration};

use countersign_protocol::{
    activation::{ActivationState, EndReason},
    audit::Actor,
    id::MemberId,
};

use super::{
    Coordinator,
    overdue::{End, Overdue, Proof},
};
use crate::{
    activation::{ActivationError, Lease, LockRequest},
    events::Change,
    hsm::HsmError,
    store::activations::Activation,
};

/// How long callers wait until the end of a lease is stored.
const STORES_WITHIN: Duration = Duration::from_secs(1);

impl Coordinator {
    pub(super) async fn lock(
        &mut self,
        id: &MemberId,
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

    /// Locks the HSM if it is assigned to this activation, then ends the activation.
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
            ActivationState::AwaitingApprovals | ActivationState::Open { .. } => {
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

    /// Ends an activation after an attempt to lock its HSM.
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
            close_soon(lease.clone(), reason.clone());
            // Record all signatures before the end.
            lease.drain().await;
        }
        let end = End {
            id: id.clone(),
            reason: reason.clone(),
            actor: actor.clone(),
            proof: proof.into(),
        };
        if let Proof::Failed(why) = &end.proof {
            tracing::error!(activation = %id, %why, "the HSM could not be proven locked");
        }
        let error = match self.store_end(&end).await {
            Err(ActivationError::Store(error)) => error,
            stored => return stored,
        };
        tracing::error!(activation = %id, %error, "storing the end of an activation failed and will be retried");
        // Callers that wait for the end must not wait until the database works again.
        if let Some(lease) = lease {
            lease.close(reason);
        }
        let refused = not_stored(&id, &end.proof);
        self.overdue.push_back(Overdue::End(end));
        // The stored state has not changed, but the view of it has.
        self.store.publish(Change::Activation(id.activation()));
        Err(refused)
    }
}

/// Tells callers that wait for the end of the lease how it ended, even if the database is too slow to store it. The HSM is
/// locked by then.
fn close_soon(lease: Arc<Lease>, reason: EndReason) {
    tokio::spawn(async move {
        tokio::time::sleep(STORES_WITHIN).await;
        lease.close(reason);
    });
}

fn not_stored(id: &MemberId, proof: &Proof) -> ActivationError {
    let locked = match proof {
        Proof::Proven(_) => "the HSM is locked, and no more signatures are created".to_owned(),
        Proof::NotNeeded => "no more signatures are created".to_owned(),
        Proof::Failed(why) => {
            format!(
                "no more signatures are created, but the HSM could not be proven locked ({why})"
            )
        }
    };
    ActivationError::NotStored(format!(
        "{locked}; the server cannot store the end of activation {id} yet and retries until it can"
    ))
}
