//! Events at the device that are not stored yet, for example because the disk is full or another program has locked the database.
//! Storing them is retried until it succeeds; until then, nothing new starts on the HSM.

use countersign_protocol::{
    activation::EndReason,
    audit::{Actor, AuditEvent},
    cvc::Fingerprint,
    id::{MemberId, OperatorId},
    text::capitalised,
};

use super::Coordinator;
use crate::{
    activation::{
        ActivationError,
        forget::forget,
        transition::{self, StateChange},
    },
    events::Change,
    hsm::{HsmError, Notice},
    store,
};

pub(super) enum Overdue {
    Notice(Notice),
    /// The HSM was logged out before its quorum was complete, so every custodian must approve again.
    Requeue {
        why: String,
        place: Place,
    },
    End(End),
    /// A command that the device has carried out.
    Done(Done),
    /// The HSM is free, so the activation that has waited longest gets it.
    Advance,
}

/// Where an activation stands in the queue afterwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// The place that it had, because it is not to blame.
    Same,
    End,
}

/// The end of an activation, after an attempt to lock its HSM.
#[derive(Clone)]
pub(super) struct End {
    pub id: MemberId,
    pub reason: EndReason,
    pub actor: Actor,
    pub proof: Proof,
}

#[derive(Clone)]
pub(super) enum Proof {
    /// How the lock was proven.
    Proven(String),
    /// The HSM was not assigned to the activation, or it is not connected. Its connection was reset, and the HSM must prove
    /// that it is locked before it is used again.
    NotNeeded,
    /// The reason why the lock is not proven.
    Failed(String),
}

impl From<Result<String, HsmError>> for Proof {
    fn from(locked: Result<String, HsmError>) -> Self {
        match locked {
            Ok(proof) => Self::Proven(proof),
            Err(HsmError::Unavailable(_) | HsmError::Stopped | HsmError::NotOpen) => {
                Self::NotNeeded
            }
            Err(error) => Self::Failed(error.to_string()),
        }
    }
}

/// A change to the device that cannot be undone.
pub(super) enum Done {
    KeyGenerated(AuditEvent),
    Initialised {
        admin: Actor,
        event: AuditEvent,
    },
    Registered {
        admin: Actor,
        by: OperatorId,
        key: Fingerprint,
        event: AuditEvent,
    },
}

impl Coordinator {
    /// Stores everything that is overdue.
    ///
    /// # Errors
    /// The database still fails; the rest stays overdue.
    pub(super) async fn settle(&mut self) -> Result<(), ActivationError> {
        while let Some(next) = self.overdue.pop_front() {
            if let Err(error) = self.store_overdue(&next).await {
                self.overdue.push_front(next);
                return Err(error);
            }
        }
        Ok(())
    }

    /// Stores an event now, or later if the database fails.
    ///
    /// # Errors
    /// [`ActivationError::NotStored`] if the event is overdue.
    pub(super) async fn settle_with(&mut self, next: Overdue) -> Result<(), ActivationError> {
        self.overdue.push_back(next);
        self.settle().await.map_err(|error| {
            ActivationError::NotStored(format!(
                "the HSM has changed, but the server cannot store the change yet ({error}) and retries until it can"
            ))
        })
    }

    /// Whether this activation has ended, but the end is not stored yet.
    pub(super) fn is_ending(&self, id: &MemberId) -> bool {
        let ends = |overdue: &Overdue| matches!(overdue, Overdue::End(end) if end.id == *id);
        self.overdue.iter().any(ends)
    }

    async fn store_overdue(&mut self, overdue: &Overdue) -> Result<(), ActivationError> {
        match overdue {
            Overdue::Notice(notice) => self.noticed(notice).await,
            Overdue::Requeue { why, place } => self.store_requeue(why, *place).await,
            Overdue::End(end) => match self.store_end(end).await {
                // It ended in another way in the meantime.
                Ok(()) | Err(ActivationError::Ended(_) | ActivationError::NotFound(_)) => {
                    self.overdue.push_back(Overdue::Advance);
                    Ok(())
                }
                Err(error) => Err(error),
            },
            Overdue::Done(done) => self.store_done(done).await,
            Overdue::Advance => self.advance().await,
        }
    }

    async fn store_requeue(&mut self, why: &str, place: Place) -> Result<(), ActivationError> {
        self.counted.forget();
        let Some(mut activation) = self.waiting().await? else {
            return Ok(());
        };
        let mut tx = self.store.write().await?;
        forget(&mut tx, &mut activation, why).await?;
        if place == Place::End {
            store::queue::move_to_end(tx.connection(), &activation.terms.id).await?;
            activation.notice = Some(format!(
                "{}. Custodians who have approved must approve again.",
                capitalised(why)
            ));
        }
        transition::apply(
            &mut tx,
            &mut activation,
            StateChange::Requeue,
            &Actor::Server,
        )
        .await?;
        tx.commit().await?;
        self.overdue.push_back(Overdue::Advance);
        Ok(())
    }

    /// Stores the end of an activation, and drops its lease.
    pub(super) async fn store_end(&mut self, end: &End) -> Result<(), ActivationError> {
        let End {
            id,
            reason,
            actor,
            proof,
        } = end;
        let mut tx = self.store.write().await?;
        let mut activation = super::load(tx.connection(), id).await?;
        match proof {
            Proof::Proven(proof) => {
                let event = AuditEvent::HsmLocked {
                    hsm: self.hsm.id().clone(),
                    proof: proof.clone(),
                };
                tx.audit(&Actor::Server, event).await?;
            }
            Proof::NotNeeded => {}
            Proof::Failed(why) => {
                activation.notice = Some(format!(
                    "The HSM could not be proven locked ({why}). The server does not use it again until the lock is proven."
                ));
            }
        }
        let change = StateChange::End(reason.clone());
        transition::apply(&mut tx, &mut activation, change, actor).await?;
        let members = store::activations::members(tx.connection(), &id.activation()).await?;
        tx.commit().await?;
        tracing::info!(activation = %id, %reason, "activation ended");
        if let Some(lease) = self.leases.lease(id) {
            lease.pool.remove(id);
            lease.close(reason.clone());
        }
        // While other HSMs can still open, keep counting the signatures of all together.
        if members.iter().all(|member| member.state.is_ended()) {
            self.leases.remove(&id.activation());
            let longest = std::time::Duration::from_secs(self.limits.max_approval_seconds.into());
            self.attendance.forget(&id.activation(), longest);
        }
        self.coordinators.end_others(&activation.terms, reason);
        Ok(())
    }

    async fn store_done(&mut self, done: &Done) -> Result<(), ActivationError> {
        let hsm = self.hsm.id().clone();
        let mut tx = self.store.write().await?;
        match done {
            Done::KeyGenerated(event) => tx.audit(&Actor::Server, event.clone()).await?,
            Done::Initialised { admin, event } => {
                store::hsms::forget_custodians(tx.connection(), &hsm).await?;
                tx.audit(admin, event.clone()).await?;
            }
            Done::Registered {
                admin,
                by,
                key,
                event,
            } => {
                store::hsms::insert_custodian(tx.connection(), &hsm, key, by).await?;
                tx.audit(admin, event.clone()).await?;
            }
        }
        tx.changed(Change::Hsm(hsm));
        Ok(tx.commit().await?)
    }
}
