//! Sends commands to the coordinators, of which each HSM has one.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use countersign_protocol::{
    activation::{ActivationTerms, ApprovalEvidence, EndReason},
    audit::Actor,
    dsse::Envelope,
    id::{ActivationId, HsmId},
};
use tokio::sync::{
    mpsc::{self, Receiver, Sender},
    oneshot,
};

use super::{
    ActivationError,
    command::{Approved, Command, Custodian, Reply},
};
use crate::hsm::HsmError;

/// Commands that may wait for a coordinator.
const QUEUE: usize = 256;

/// The ways to all coordinators. Clones share one map.
#[derive(Clone, Default)]
pub struct Coordinators(Arc<Mutex<BTreeMap<HsmId, Sender<Command>>>>);

impl Coordinators {
    /// Makes the way to the coordinator of an HSM.
    pub(super) fn add(&self, hsm: HsmId) -> Receiver<Command> {
        let (sender, commands) = mpsc::channel(QUEUE);
        self.all().insert(hsm, sender);
        commands
    }

    fn all(&self) -> MutexGuard<'_, BTreeMap<HsmId, Sender<Command>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) async fn send(&self, hsm: &HsmId, command: Command) -> Result<(), ActivationError> {
        let coordinator = self.all().get(hsm).cloned();
        let coordinator = coordinator.ok_or_else(|| HsmError::NotFound(hsm.clone()))?;
        coordinator
            .send(command)
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

    /// Why a coordinator no longer answers.
    fn stopped(&self, hsm: &HsmId) -> ActivationError {
        ActivationError::Hsm(if self.all().contains_key(hsm) {
            HsmError::Unavailable("the server is stopping".into())
        } else {
            HsmError::NotFound(hsm.clone())
        })
    }

    /// A request waits: the coordinator begins with it if the HSM is free.
    pub async fn begin(&self, hsm: &HsmId) -> Result<(), ActivationError> {
        self.ask(hsm, Command::Begin).await
    }

    /// The task for a custodian's helper, for this HSM.
    pub async fn task(
        &self,
        hsm: &HsmId,
        activation: ActivationId,
        custodian: Custodian,
    ) -> Result<Envelope, ActivationError> {
        self.ask(hsm, |reply| Command::Task {
            activation,
            custodian,
            reply,
        })
        .await
    }

    /// Hands in what a custodian's card has signed for this HSM.
    pub async fn approve(
        &self,
        hsm: &HsmId,
        activation: ActivationId,
        custodian: Custodian,
        evidence: ApprovalEvidence,
    ) -> Result<Approved, ActivationError> {
        let evidence = Box::new(evidence);
        self.ask(hsm, |reply| Command::Approve {
            activation,
            custodian,
            evidence,
            reply,
        })
        .await
    }

    /// Declines for this HSM.
    pub async fn decline(
        &self,
        hsm: &HsmId,
        activation: ActivationId,
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

    /// A signature was recorded.
    pub async fn signed(
        &self,
        hsm: &HsmId,
        activation: ActivationId,
    ) -> Result<(), ActivationError> {
        self.send(hsm, Command::Signed { activation }).await
    }

    /// An activation cannot go on.
    pub async fn end(
        &self,
        hsm: &HsmId,
        activation: ActivationId,
        reason: EndReason,
    ) -> Result<(), ActivationError> {
        self.send(hsm, Command::End { activation, reason }).await
    }

    /// As [`Self::end`], without waiting: coordinators never wait for each other, nor for a signature that waits for them.
    pub fn end_soon(&self, hsm: &HsmId, id: ActivationId, reason: EndReason) {
        let (coordinators, hsm) = (self.clone(), hsm.clone());
        tokio::spawn(async move {
            if let Err(error) = coordinators.end(&hsm, id, reason).await {
                tracing::warn!(%hsm, %error, "an activation could not be ended on this HSM");
            }
        });
    }

    /// Ends an activation on its other HSMs, where the end on one HSM is the end on all.
    pub(super) fn end_others(&self, terms: &ActivationTerms, reason: &EndReason) {
        let all = matches!(
            reason,
            EndReason::Completed | EndReason::CountUsed | EndReason::TimeUsed
        );
        for (id, hsm) in terms.members() {
            if all && id != terms.id {
                self.end_soon(&hsm.id, id, reason.clone());
            }
        }
    }

    /// One HSM is open: the coordinators of the others look how long they wait from now on.
    pub(super) fn wake_others(&self, terms: &ActivationTerms) {
        for (id, hsm) in terms.members() {
            if id == terms.id {
                continue;
            }
            let (coordinators, hsm) = (self.clone(), hsm.id.clone());
            tokio::spawn(async move {
                if let Err(error) = coordinators.begin(&hsm).await {
                    tracing::warn!(%hsm, %error, "the HSM's coordinator could not be woken");
                }
            });
        }
    }

    /// Ends every activation of an HSM that an admin removed, and its coordinator.
    pub async fn remove(&self, hsm: &HsmId, admin: &Actor) {
        let coordinator = self.all().remove(hsm);
        if let Some(coordinator) = coordinator {
            stop(&coordinator, Some(admin.clone())).await;
        }
    }

    /// Ends every activation that has an HSM, and the coordinators.
    pub async fn shutdown(&self) {
        let coordinators: Vec<_> = self.all().values().cloned().collect();
        for coordinator in coordinators {
            stop(&coordinator, None).await;
        }
    }
}

async fn stop(coordinator: &Sender<Command>, removed_by: Option<Actor>) {
    let (reply, stopped) = oneshot::channel();
    let command = Command::Stop { removed_by, reply };
    if coordinator.send(command).await.is_ok() {
        let _ = stopped.await;
    }
}
