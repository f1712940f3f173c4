//! Sends commands to the coordinators; each HSM has one.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use countersign_protocol::{
    activation::{ActivationTerms, EndReason, SignedApproval},
    audit::Actor,
    dsse::Envelope,
    id::{HsmId, MemberId},
};
use tokio::sync::{
    mpsc::{self, Receiver, Sender},
    oneshot,
};

use super::{
    ActivationError,
    command::{Approved, Command, Custodian, Reply, Sent},
};
use crate::hsm::HsmError;

/// Maximum number of commands that wait for a coordinator.
const QUEUE: usize = 256;

/// The command channels of all coordinators. Clones share one map.
#[derive(Clone, Default)]
pub struct Coordinators(Arc<Mutex<BTreeMap<HsmId, Sender<Sent>>>>);

impl Coordinators {
    /// Creates the command channel of an HSM's coordinator.
    pub(super) fn add(&self, hsm: HsmId) -> Receiver<Sent> {
        let (sender, commands) = mpsc::channel(QUEUE);
        self.all().insert(hsm, sender);
        commands
    }

    fn all(&self) -> MutexGuard<'_, BTreeMap<HsmId, Sender<Sent>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) async fn send(&self, hsm: &HsmId, command: Command) -> Result<(), ActivationError> {
        let coordinator = self.all().get(hsm).cloned();
        let coordinator = coordinator.ok_or_else(|| HsmError::NotFound(hsm.clone()))?;
        coordinator
            .send(command.into())
            .await
            .map_err(|_| self.stopped(hsm))
    }

    pub(super) async fn ask<T>(
        &self,
        hsm: &HsmId,
        command: impl FnOnce(Reply<T>) -> Command,
    ) -> Result<T, ActivationError> {
        let (reply, answer) = oneshot::channel();
        self.send(hsm, command(reply)).await?;
        answer.await.map_err(|_| self.stopped(hsm))?
    }

    /// The reason why a coordinator no longer answers.
    fn stopped(&self, hsm: &HsmId) -> ActivationError {
        ActivationError::Hsm(if self.all().contains_key(hsm) {
            HsmError::Unavailable("the server is stopping".into())
        } else {
            HsmError::NotFound(hsm.clone())
        })
    }

    /// Reports a new request, which the coordinator begins with if the HSM is free.
    pub async fn begin(&self, hsm: &HsmId) -> Result<(), ActivationError> {
        self.ask(hsm, Command::Begin).await
    }

    pub async fn task(
        &self,
        hsm: &HsmId,
        activation: MemberId,
        custodian: Custodian,
    ) -> Result<Envelope, ActivationError> {
        self.ask(hsm, |reply| Command::Task {
            activation,
            custodian,
            reply,
        })
        .await
    }

    pub async fn approve(
        &self,
        hsm: &HsmId,
        activation: MemberId,
        custodian: Custodian,
        signed: SignedApproval,
    ) -> Result<Approved, ActivationError> {
        let signed = Box::new(signed);
        self.ask(hsm, |reply| Command::Approve {
            activation,
            custodian,
            signed,
            reply,
        })
        .await
    }

    pub async fn decline(
        &self,
        hsm: &HsmId,
        activation: MemberId,
        custodian: Custodian,
        reason: String,
    ) -> Result<(), ActivationError> {
        self.ask(hsm, |reply| Command::Decline {
            activation,
            custodian,
            reason,
            reply,
        })
        .await
    }

    /// Reports a recorded signature.
    pub async fn signed(&self, hsm: &HsmId, activation: MemberId) -> Result<(), ActivationError> {
        self.send(hsm, Command::Signed { activation }).await
    }

    /// Ends an activation that cannot continue.
    pub async fn end(
        &self,
        hsm: &HsmId,
        activation: MemberId,
        reason: EndReason,
    ) -> Result<(), ActivationError> {
        self.send(hsm, Command::End { activation, reason }).await
    }

    /// Like [`Self::end`], but without waiting, because coordinators that waited for each other or for a signature could
    /// deadlock.
    pub fn end_soon(&self, hsm: &HsmId, id: MemberId, reason: EndReason) {
        let (coordinators, hsm) = (self.clone(), hsm.clone());
        tokio::spawn(async move {
            if let Err(error) = coordinators.end(&hsm, id.clone(), reason).await {
                tracing::warn!(%hsm, activation = %id, %error, "ending an activation failed");
            }
        });
    }

    /// Ends an activation on its other HSMs if it ended for a reason that applies to all of them.
    pub(super) fn end_others(&self, terms: &ActivationTerms, reason: &EndReason) {
        let all = matches!(
            reason,
            EndReason::Completed | EndReason::SignatureLimitReached | EndReason::LeaseExpired
        );
        for (id, hsm) in terms.members() {
            if all && id != terms.id {
                self.end_soon(&hsm.id, id, reason.clone());
            }
        }
    }

    /// Wakes the coordinators of the other HSMs after one HSM opened, so that they use the deadline of its lease.
    pub(super) fn wake_others(&self, terms: &ActivationTerms) {
        for (id, hsm) in terms.members() {
            if id == terms.id {
                continue;
            }
            let (coordinators, hsm) = (self.clone(), hsm.id.clone());
            tokio::spawn(async move {
                if let Err(error) = coordinators.begin(&hsm).await {
                    tracing::warn!(%hsm, activation = %id, %error, "waking the HSM's coordinator failed");
                }
            });
        }
    }

    /// Ends every activation of an HSM that an admin removed, and stops its coordinator.
    pub async fn remove(&self, hsm: &HsmId, admin: &Actor) {
        let coordinator = self.all().remove(hsm);
        if let Some(coordinator) = coordinator {
            stop(&coordinator, Some(admin.clone())).await;
        }
    }

    /// Ends every open activation, and stops the coordinators.
    pub async fn shutdown(&self) {
        let coordinators: Vec<_> = self.all().values().cloned().collect();
        for coordinator in coordinators {
            stop(&coordinator, None).await;
        }
    }
}

async fn stop(coordinator: &Sender<Sent>, removed_by: Option<Actor>) {
    let (reply, stopped) = oneshot::channel();
    let command = Command::Stop { removed_by, reply };
    if coordinator.send(command.into()).await.is_ok() {
        let _ = stopped.await;
    }
}
