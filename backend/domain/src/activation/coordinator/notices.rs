//! Processes the notices of the HSM's thread.

use countersign_protocol::{
    activation::EndReason,
    audit::{Actor, AuditEvent},
};

use super::{
    Coordinator,
    overdue::{Overdue, Place},
};
use crate::{
    activation::ActivationError,
    events::Change,
    hsm::{LeaseHandle, Notice},
    store::{self, activations::Activation, hsms::KnownDevice},
};

impl Coordinator {
    /// Stores a notice of the HSM's thread.
    ///
    /// # Errors
    /// Nothing of the notice is stored, so that it can be retried as a whole.
    pub(super) async fn noticed(&mut self, notice: &Notice) -> Result<(), ActivationError> {
        let hsm = self.hsm.id().clone();
        match notice {
            Notice::Attached {
                device,
                behaviour,
                proof,
            } => {
                let known = KnownDevice {
                    device: device.clone(),
                    behaviour: *behaviour,
                };
                let attached = AuditEvent::HsmAttached {
                    hsm: hsm.clone(),
                    device: device.clone(),
                };
                let locked = AuditEvent::HsmLocked {
                    hsm: hsm.clone(),
                    proof: proof.clone(),
                };
                let mut tx = self.store.write().await?;
                store::hsms::remember_device(tx.connection(), &hsm, &known).await?;
                tx.audit_all([attached, locked].map(|event| (Actor::Server, event)))
                    .await?;
                tx.commit().await?;
                tracing::info!(%device, %proof, "HSM attached and proven locked");
                self.overdue.push_back(Overdue::Advance);
            }
            Notice::Refused { why } => {
                tracing::warn!(%why, "HSM rejected");
                let why = why.clone();
                self.audit(AuditEvent::HsmRejected { hsm, why }).await?;
            }
            Notice::Lost { lease, why } => self.lost(lease.as_ref(), why).await?,
            Notice::LeaseEnded { lease, proof } => {
                let Some(activation) = self.opened_by(lease).await? else {
                    return Ok(());
                };
                let proof = Ok(proof.clone());
                let ended = self
                    .close(activation, EndReason::LeaseExpired, &Actor::Server, proof)
                    .await;
                self.log(ended);
                self.overdue.push_back(Overdue::Advance);
            }
        }
        self.store.publish(Change::Hsm(self.hsm.id().clone()));
        Ok(())
    }

    /// Handles the loss of the device or of its approvals.
    async fn lost(
        &mut self,
        lease: Option<&LeaseHandle>,
        why: &str,
    ) -> Result<(), ActivationError> {
        let opened = match lease {
            Some(lease) => self.opened_by(lease).await?,
            None => None,
        };
        let why = why.to_owned();
        let event = AuditEvent::HsmLost {
            hsm: self.hsm.id().clone(),
            why: why.clone(),
        };
        self.audit(event).await?;
        tracing::warn!(%why, "HSM lost");
        let ended = match (lease, opened) {
            (None, _) => {
                self.overdue.push_back(Overdue::Requeue {
                    why,
                    place: Place::Same,
                });
                self.log_out().await
            }
            (Some(_), Some(activation)) => {
                let reason = EndReason::HsmLost { why };
                self.end(activation, reason, &Actor::Server).await
            }
            (Some(_), None) => Ok(()),
        };
        self.log(ended);
        Ok(())
    }

    async fn audit(&self, event: AuditEvent) -> Result<(), ActivationError> {
        let mut tx = self.store.write().await?;
        tx.audit(&Actor::Server, event).await?;
        Ok(tx.commit().await?)
    }

    /// The open activation of this lease; `None` if a command has ended it in the meantime, after which the HSM may already be
    /// assigned to the next one.
    async fn opened_by(&self, lease: &LeaseHandle) -> Result<Option<Activation>, ActivationError> {
        Ok(self.current().await?.filter(|activation| {
            let own = self.leases.lease(&activation.terms.id);
            own.is_some_and(|own| own.handle.is(lease))
        }))
    }

    /// Logs the HSM out and queues the activation again, so that every custodian must approve again.
    pub(super) async fn await_approvals_again(
        &mut self,
        why: String,
    ) -> Result<(), ActivationError> {
        self.log_out().await?;
        self.settle_with(Overdue::Requeue {
            why,
            place: Place::Same,
        })
        .await
    }

    /// Logs the HSM out if its activation is waiting for approvals.
    pub(super) async fn log_out(&mut self) -> Result<(), ActivationError> {
        if self.waiting().await?.is_some()
            // A device that is attached again may already hold approvals of a new round.
            && self.hsm.device().is_ok()
            && let Err(error) = self.hsm.lock().await
        {
            tracing::warn!(%error, "logging out of the HSM failed");
        }
        Ok(())
    }
}
