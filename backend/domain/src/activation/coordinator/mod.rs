//! The coordinator of one HSM: a task that assigns the HSM to one activation at a time, and makes every change to that HSM's
//! activations.

mod access;
mod approve;
mod custodian;
mod end;
mod notices;
mod open;
mod overdue;
mod set_up;
mod timers;
mod turn;

use std::{collections::VecDeque, sync::Arc};

use countersign_protocol::{
    activation::{ActivationState, EndReason},
    audit::Actor,
    cvc::TrustAnchors,
    id::MemberId,
};
use tokio::{
    sync::{
        mpsc::{Receiver, UnboundedReceiver},
        oneshot, watch,
    },
    time::Instant,
};
use tracing::Instrument;

use self::{overdue::Overdue, timers::Timers, turn::Turn};
use super::{
    ActivationError, Activations, Attendance, Coordinators, OpenLeases,
    command::{Command, Sent},
    counted::CountedApprovals,
    load,
    transition::{self, StateChange},
};
use crate::{
    clock::Clock,
    config::LeaseConfig,
    events::Change,
    hsm::{Hsm, Notice, Snapshot},
    identity::ServerKey,
    store::{self, Store, activations::Activation},
};

pub struct Coordinator {
    hsm: Hsm,
    store: Store,
    identity: Arc<ServerKey>,
    anchors: Arc<TrustAnchors>,
    leases: OpenLeases,
    coordinators: Coordinators,
    attendance: Arc<Attendance>,
    limits: LeaseConfig,
    clock: Clock,
    commands: Receiver<Sent>,
    notices: UnboundedReceiver<Notice>,
    snapshots: watch::Receiver<Snapshot>,
    /// Changes with every change to a person or a key.
    people: watch::Receiver<u64>,
    clock_moves: watch::Receiver<()>,
    timers: Timers,
    /// The verified approvals that the HSM counts.
    counted: CountedApprovals,
    turn: Option<Turn>,
    /// Events and steps that are not stored yet, oldest first.
    overdue: VecDeque<Overdue>,
}

impl Coordinator {
    pub fn new(
        activations: &Activations,
        hsm: Hsm,
        commands: Receiver<Sent>,
        notices: UnboundedReceiver<Notice>,
    ) -> Self {
        Self {
            snapshots: hsm.changes(),
            people: activations.store.people_changes(),
            hsm,
            store: activations.store.clone(),
            identity: activations.identity.clone(),
            anchors: activations.anchors.clone(),
            leases: activations.leases.clone(),
            coordinators: activations.coordinators.clone(),
            attendance: activations.attendance.clone(),
            limits: activations.limits,
            clock_moves: activations.clock.moves(),
            clock: activations.clock.clone(),
            commands,
            notices,
            timers: Timers::default(),
            counted: CountedApprovals::default(),
            turn: None,
            overdue: VecDeque::new(),
        }
    }

    /// Runs until [`Command::Stop`].
    #[tracing::instrument(name = "coordinator", skip_all, fields(hsm = %self.hsm.id()))]
    pub async fn run(mut self) {
        loop {
            let wake_at = self.next_wake().await;
            let done = tokio::select! {
                // Notices of the HSM come before commands, so that commands see the HSM's current state.
                biased;
                Some(notice) = self.notices.recv() => {
                    self.timers.forget_expiry();
                    self.overdue.push_back(Overdue::Notice(notice));
                    self.settle().await
                }
                sent = self.commands.recv() => match sent {
                    Some(Sent { command: Command::Stop { removed_by, reply }, .. }) => {
                        return self.stop(removed_by, reply).await;
                    }
                    Some(Sent { command, span }) => {
                        let hsm = self.hsm.id().as_str();
                        let span = tracing::info_span!(parent: &span, "coordinator", hsm);
                        self.command(command).instrument(span).await
                    }
                    None => return,
                },
                Ok(()) = self.snapshots.changed() => {
                    self.store.publish(Change::Hsm(self.hsm.id().clone()));
                    Ok(())
                }
                Ok(()) = self.people.changed() => self.check_people().await,
                Ok(()) = self.clock_moves.changed() => {
                    self.timers.forget_expiry();
                    self.tick().await
                }
                () = tokio::time::sleep_until(wake_at) => {
                    self.timers.forget_expiry();
                    self.tick().await
                }
            };
            if let Err(error) = done {
                tracing::error!(%error, "a step failed and will be retried");
                tokio::time::sleep(timers::PAUSE).await;
            }
        }
    }

    async fn command(&mut self, command: Command) -> Result<(), ActivationError> {
        if !matches!(command, Command::Signed { .. }) {
            self.timers.forget_expiry();
        }
        let Err(error) = self.settle().await else {
            return self.carry_out(command).await;
        };
        tracing::error!(%error, "storing changes failed");
        // Start nothing new until everything is stored. Locking is always possible.
        let refused = || {
            ActivationError::NotStored(format!(
                "the server cannot store changes at the moment ({error}): try again later"
            ))
        };
        match command.refuse(refused) {
            Some(command) => self.carry_out(command).await,
            None => Ok(()),
        }
    }

    /// Carries out a command, even if its caller has disconnected.
    async fn carry_out(&mut self, command: Command) -> Result<(), ActivationError> {
        match command {
            Command::Begin(reply) => drop(reply.send(self.advance().await)),
            Command::Task {
                activation,
                custodian,
                reply,
            } => drop(reply.send(self.task(&activation, &custodian).await)),
            Command::Approve {
                activation,
                custodian,
                signed,
                reply,
            } => {
                let (answer, opened) = match self.approve(&activation, &custodian, &signed).await {
                    Ok((approved, opened)) => (Ok(approved), opened),
                    Err(error) => (Err(error), None),
                };
                let _ = reply.send(answer);
                return match opened {
                    Some(lease) => self.after_opening(&lease).await,
                    // The activation may have ended instead, so that the HSM is free.
                    None => self.advance().await,
                };
            }
            Command::Decline {
                activation,
                custodian,
                reason,
                reply,
            } => {
                let _ = reply.send(self.decline(&activation, &custodian, reason).await);
                return self.advance().await;
            }
            Command::Lock {
                activation,
                request,
                reply,
            } => {
                let _ = reply.send(self.lock(&activation, request).await);
                return self.advance().await;
            }
            Command::End { activation, reason } => {
                let activation = self.load(&activation).await?;
                if !activation.state.is_ended() && !self.is_ending(&activation.terms.id) {
                    self.end(activation, reason, &Actor::Server).await?;
                }
                return self.advance().await;
            }
            Command::Signed { activation } => self.timers.report_progress(activation),
            Command::Initialise {
                actor,
                quorum,
                request,
                so_pin,
                reply,
            } => drop(reply.send(self.initialise(&actor, quorum, &request, so_pin).await)),
            Command::Register {
                actor,
                admin,
                key,
                reply,
            } => drop(reply.send(self.register(&actor, &admin, &key).await)),
            Command::Stop { reply, .. } => drop(reply.send(())),
        }
        Ok(())
    }

    async fn load(&self, id: &MemberId) -> Result<Activation, ActivationError> {
        let mut connection = self.store.read().await?;
        load(&mut connection, id).await
    }

    async fn active(&self) -> Result<Vec<Activation>, ActivationError> {
        let mut connection = self.store.read().await?;
        Ok(store::activations::active_of(&mut connection, self.hsm.id()).await?)
    }

    /// The activation to which the HSM is assigned.
    async fn current(&self) -> Result<Option<Activation>, ActivationError> {
        let active = self.active().await?;
        Ok(active.into_iter().find(|activation| {
            matches!(
                activation.state,
                ActivationState::AwaitingApprovals | ActivationState::Open { .. }
            )
        }))
    }

    /// The activation that has the HSM, if it still waits for approvals.
    async fn waiting(&self) -> Result<Option<Activation>, ActivationError> {
        let current = self.current().await?;
        Ok(current.filter(|activation| activation.state == ActivationState::AwaitingApprovals))
    }

    /// Assigns the HSM to the activation that has waited longest, if the HSM is free and usable.
    async fn advance(&mut self) -> Result<(), ActivationError> {
        let Snapshot::Ready(device) = self.hsm.snapshot() else {
            return Ok(());
        };
        if self.current().await?.is_some() {
            return Ok(());
        }
        for mut activation in self.active().await? {
            let terms = &activation.terms;
            if self.is_ending(&terms.id) {
                continue;
            }
            let is_as_requested = *device.id() == terms.hsm.device
                && device.quorum() == Some(terms.quorum)
                && device.pka.is_some_and(|pka| pka.missing == 0);
            if !is_as_requested {
                let why = "the HSM was replaced or re-initialised after this was requested".into();
                self.end(activation, EndReason::Failed { why }, &Actor::Server)
                    .await?;
                continue;
            }
            let mut tx = self.store.write().await?;
            let change = StateChange::AwaitApprovals;
            transition::apply(&mut tx, &mut activation, change, &Actor::Server).await?;
            tx.commit().await?;
            break;
        }
        Ok(())
    }

    /// Ends the open activation, which locks the HSM. If an admin removed the HSM, ends all of its activations.
    async fn stop(mut self, removed_by: Option<Actor>, reply: oneshot::Sender<()>) {
        let ended = async {
            if let Some(admin) = removed_by {
                for activation in self.active().await? {
                    let why = "an admin removed it".into();
                    let reason = EndReason::HsmRemoved { why };
                    self.end(activation, reason, &admin).await?;
                }
                return Ok(());
            }
            if let Some(activation) = self.current().await?
                && matches!(activation.state, ActivationState::Open { .. })
            {
                self.end(activation, EndReason::ServerRestarted, &Actor::Server)
                    .await?;
            }
            Ok::<_, ActivationError>(())
        };
        if let Err(error) = ended.await {
            tracing::error!(%error, "ending an activation failed while the coordinator stopped");
        }
        let _ = reply.send(());
    }

    /// Logs the error of a step that is retried elsewhere.
    fn log(&self, result: Result<(), ActivationError>) {
        if let Err(error) = result {
            tracing::error!(%error, "a step failed and will be retried");
        }
    }

    fn wake_at(&self, expiry: Option<Instant>) -> Instant {
        self.timers.wake_at(expiry, !self.overdue.is_empty())
    }
}
