//! The desk of one HSM: decides which activation has the HSM, and what happens to it.

mod approve;
mod finish;
mod open;
mod overdue;
mod set_up;

use std::{collections::VecDeque, time::Duration};

use countersign_protocol::{
    Timestamp,
    activation::{ActivationState, Answer, EndReason},
    audit::{Actor, AuditEvent},
    event::Event,
    id::ActivationId,
};
use jiff::SignedDuration;
use tokio::{
    sync::{
        mpsc::{Receiver, UnboundedReceiver},
        oneshot, watch,
    },
    time::Instant,
};

use self::overdue::Overdue;
use super::{
    ActivationError,
    command::{Command, Custodian},
    eligible::willing,
    load,
    transition::{self, Change},
};
use crate::{
    app::App,
    hsm::{self, Hsm, LeaseHandle, Notice, Snapshot},
    store::{self, activations::Activation, hsms::KnownDevice, operators::Operator},
};

/// Signatures follow each other fast: listeners hear of them this often.
const PROGRESS: Duration = Duration::from_millis(250);
/// Pause after something that failed.
const PAUSE: Duration = Duration::from_secs(1);
/// A limit for sleeping, so that nothing is missed for long.
const LOOK: Duration = Duration::from_secs(30);

/// The desk of one HSM.
pub struct Desk {
    app: App,
    hsm: Hsm,
    commands: Receiver<Command>,
    notices: UnboundedReceiver<Notice>,
    snapshots: watch::Receiver<Snapshot>,
    /// An activation whose progress is to be told, and when.
    progress: Option<(ActivationId, Instant)>,
    /// When the first activation expires; looked up again after every change.
    expiry: Expiry,
    /// Grows with every change of people.
    people: watch::Receiver<u64>,
    /// What has happened and is not stored yet, oldest first.
    overdue: VecDeque<Overdue>,
}

/// What is known of the next expiry.
enum Expiry {
    Unknown,
    None,
    At(Timestamp),
}

impl Desk {
    /// A desk that has not begun.
    pub fn new(
        app: App,
        hsm: Hsm,
        commands: Receiver<Command>,
        notices: UnboundedReceiver<Notice>,
    ) -> Self {
        let snapshots = hsm.changes();
        Self {
            people: app.store.people_changes(),
            overdue: VecDeque::new(),
            app,
            hsm,
            commands,
            notices,
            snapshots,
            progress: None,
            expiry: Expiry::Unknown,
        }
    }

    /// Works until it is told to stop.
    pub async fn run(mut self) {
        loop {
            let wake_at = self.next_wake().await;
            let done = tokio::select! {
                // What the HSM did comes before what people want of it.
                biased;
                Some(notice) = self.notices.recv() => {
                    self.expiry = Expiry::Unknown;
                    self.overdue.push_back(Overdue::Notice(notice));
                    self.settle().await
                }
                command = self.commands.recv() => match command {
                    Some(Command::Stop { withdrawn_by, reply }) => return self.stop(withdrawn_by, reply).await,
                    Some(command) => self.command(command).await,
                    None => return,
                },
                Ok(()) = self.snapshots.changed() => self.tell().await,
                Ok(()) = self.people.changed() => self.check_custodians().await,
                () = tokio::time::sleep_until(wake_at) => {
                    self.expiry = Expiry::Unknown;
                    self.tick().await
                }
            };
            if let Err(error) = done {
                tracing::error!("HSM {}: {error}", self.hsm.id());
                // A full disk, say: what is overdue is tried again, but not without a pause.
                tokio::time::sleep(PAUSE).await;
            }
        }
    }

    async fn command(&mut self, command: Command) -> Result<(), ActivationError> {
        if !matches!(command, Command::Signed { .. }) {
            self.expiry = Expiry::Unknown;
        }
        if let Err(error) = self.settle().await {
            tracing::error!("HSM {}: {error}", self.hsm.id());
            // Nothing new begins before everything is stored. Locking always goes on.
            let Some(command) = command.refuse(|| {
                ActivationError::NotStored(format!(
                    "the server cannot store changes at the moment ({error}): try again when it can"
                ))
            }) else {
                return Ok(());
            };
            return self.carry_out(command).await;
        }
        self.carry_out(command).await
    }

    async fn carry_out(&mut self, command: Command) -> Result<(), ActivationError> {
        // The caller may have left, and then misses the answer only.
        match command {
            Command::Begin(reply) => {
                let _ = reply.send(self.advance().await);
            }
            Command::Task {
                activation,
                custodian,
                reply,
            } => {
                let _ = reply.send(self.task(&activation, &custodian).await);
            }
            Command::Approve {
                activation,
                custodian,
                evidence,
                reply,
            } => {
                let (answer, opened) = match self.approve(&activation, &custodian, &evidence).await
                {
                    Ok((outcome, opened)) => (Ok(outcome), opened),
                    Err(error) => (Err(error), None),
                };
                let _ = reply.send(answer);
                if let Some(lease) = opened {
                    return self.after_opening(&lease).await;
                }
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
            Command::Signed { activation } => {
                self.progress
                    .get_or_insert_with(|| (activation, Instant::now() + PROGRESS));
            }
            Command::Initialise {
                actor,
                quorum,
                request,
                so_pin,
                reply,
            } => {
                let _ = reply.send(self.initialise(&actor, quorum, &request, so_pin).await);
            }
            Command::Register {
                actor,
                admin,
                key,
                reply,
            } => {
                let _ = reply.send(self.register(&actor, &admin, &key).await);
            }
            Command::Stop { reply, .. } => {
                let _ = reply.send(());
            }
        }
        Ok(())
    }

    async fn load(&self, id: &ActivationId) -> Result<Activation, ActivationError> {
        let mut connection = self.app.store.read().await?;
        load(&mut connection, id).await
    }

    async fn active(&self) -> Result<Vec<Activation>, ActivationError> {
        let mut connection = self.app.store.read().await?;
        Ok(store::activations::active_of(&mut connection, self.hsm.id()).await?)
    }

    /// The activation that has the HSM.
    async fn current(&self) -> Result<Option<Activation>, ActivationError> {
        let has_it = |state: &ActivationState| {
            matches!(
                state,
                ActivationState::Collecting | ActivationState::Open { .. }
            )
        };
        let active = self.active().await?;
        Ok(active
            .into_iter()
            .find(|activation| has_it(&activation.state)))
    }

    /// Tells listeners of the HSM.
    async fn tell(&mut self) -> Result<(), ActivationError> {
        let mut connection = self.app.store.read().await?;
        let view = hsm::view(&mut connection, &self.hsm).await?;
        self.app.events.publish(Event::Hsm {
            hsm: Box::new(view),
        });
        Ok(())
    }

    async fn next_wake(&mut self) -> Instant {
        let look = Instant::now() + if self.overdue.is_empty() { LOOK } else { PAUSE };
        if matches!(self.expiry, Expiry::Unknown)
            && let Ok(active) = self.active().await
        {
            let first = active.iter().filter(|activation| waits(activation));
            let first = first.map(|activation| self.waits_until(activation).0).min();
            self.expiry = first.map_or(Expiry::None, Expiry::At);
        }
        let expiry = match self.expiry {
            Expiry::At(at) => {
                let left = Duration::try_from(at.duration_since(Timestamp::now()));
                Some(Instant::now() + left.unwrap_or_default())
            }
            Expiry::Unknown | Expiry::None => None,
        };
        let progress = self.progress.as_ref().map(|(_, at)| *at);
        [Some(look), expiry, progress]
            .into_iter()
            .flatten()
            .min()
            .unwrap_or(look)
    }

    async fn tick(&mut self) -> Result<(), ActivationError> {
        self.settle().await?;
        if let Some((id, _)) = self.progress.take_if(|(_, at)| *at <= Instant::now()) {
            let mut tx = self.app.store.write().await?;
            let mut activation = load(tx.connection(), &id).await?;
            transition::store(&self.app, &mut tx, &mut activation).await?;
            tx.commit().await?;
        }
        for activation in self.active().await? {
            let (until, reason) = self.waits_until(&activation);
            if waits(&activation)
                && until <= Timestamp::now()
                && !self.is_ending(&activation.terms.id)
            {
                self.end(activation, reason, &Actor::Server).await?;
            }
        }
        self.check_custodians().await?;
        self.advance().await
    }

    /// Ends what too few custodians are left for, and begins anew where the card counts one whose key was revoked.
    async fn check_custodians(&mut self) -> Result<(), ActivationError> {
        for activation in self.active().await? {
            if !waits(&activation) || self.is_ending(&activation.terms.id) {
                continue;
            }
            let mut connection = self.app.store.read().await?;
            let willing = willing(&mut connection, &activation.terms).await?;
            drop(connection);
            let required = activation.terms.quorum.required;
            if willing.count < usize::from(required) {
                let why = format!(
                    "{required} approvals are needed, but only {} of the HSM's custodians can still approve: an admin has to \
                     register others",
                    willing.count
                );
                self.end(activation, EndReason::Failed { why }, &Actor::Server)
                    .await?;
            } else if willing.revoked_is_counted {
                self.begin_anew("the key of a custodian who had approved was revoked".into())
                    .await?;
            }
        }
        Ok(())
    }

    /// How long an activation waits for its quorum, and how it ends then.
    fn waits_until(&self, activation: &Activation) -> (Timestamp, EndReason) {
        let terms = &activation.terms;
        let without = match activation.state {
            ActivationState::Queued => EndReason::StillQueued,
            _ => EndReason::Expired,
        };
        let expires = (terms.expires_at, without);
        let sooner = match self.app.activations.pool(&terms.id) {
            // Another HSM of its pool was opened: no longer than the lease. Whoever signs there does not ask for this one.
            Some(pool) => pool.ends_at().map(|end| (end, EndReason::TimeUsed)),
            None => self.abandoned(activation),
        };
        sooner.filter(|(at, _)| *at < expires.0).unwrap_or(expires)
    }

    /// When whoever waits for an activation has been silent for too long.
    fn abandoned(&self, activation: &Activation) -> Option<(Timestamp, EndReason)> {
        let seconds = activation.abandoned_after?;
        let silence = self.app.activations.attendance().silence(&activation.terms);
        let left = SignedDuration::from_secs(seconds.into())
            - SignedDuration::try_from(silence).unwrap_or(SignedDuration::MAX);
        let at = Timestamp::now().saturating_add(left).ok()?;
        Some((at, EndReason::Abandoned { seconds }))
    }

    /// Gives the HSM to the activation that waits longest, if it is free and usable.
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
            let same = *device.id() == terms.hsm.device
                && device.quorum() == Some(terms.quorum)
                && device.pka.is_some_and(|pka| pka.missing == 0);
            if !same {
                let why =
                    "the HSM is another one, or was set up differently, since this was asked for"
                        .into();
                self.end(activation, EndReason::Failed { why }, &Actor::Server)
                    .await?;
                continue;
            }
            let mut tx = self.app.store.write().await?;
            transition::apply(
                &self.app,
                &mut tx,
                &mut activation,
                Change::Collect,
                &Actor::Server,
            )
            .await?;
            tx.commit().await?;
            break;
        }
        Ok(())
    }

    /// Stores what the HSM's thread has reported. An error means that nothing of it is stored.
    async fn noticed(&mut self, notice: &Notice) -> Result<(), ActivationError> {
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
                let mut tx = self.app.store.write().await?;
                store::hsms::remember_device(tx.connection(), &hsm, &known).await?;
                tx.audit_all([attached, locked].map(|event| (Actor::Server, event)))
                    .await?;
                tx.commit().await?;
                self.overdue.push_back(Overdue::Advance);
            }
            Notice::Refused { why } => {
                let why = why.clone();
                self.audit(AuditEvent::HsmRefused { hsm, why }).await?;
            }
            Notice::Lost { lease, why } => {
                let opened = match lease {
                    Some(lease) => self.opened_by(lease).await?,
                    None => None,
                };
                let why = why.clone();
                let event = AuditEvent::HsmLost {
                    hsm,
                    why: why.clone(),
                };
                self.audit(event).await?;
                let ended = match (lease, opened) {
                    (None, _) => {
                        self.overdue.push_back(Overdue::Requeue { why });
                        self.log_out().await
                    }
                    (Some(_), Some(activation)) => {
                        let reason = EndReason::HsmLost { why };
                        self.end(activation, reason, &Actor::Server)
                            .await
                            .map(|_| ())
                    }
                    (Some(_), None) => Ok(()),
                };
                self.log(ended);
            }
            Notice::LeaseOver { lease, proof } => {
                let Some(activation) = self.opened_by(lease).await? else {
                    return Ok(());
                };
                let proof = Ok(proof.clone());
                let ended = self
                    .close(activation, EndReason::TimeUsed, &Actor::Server, proof)
                    .await;
                self.log(ended.map(|_| ()));
                self.overdue.push_back(Overdue::Advance);
                return Ok(());
            }
        }
        let told = self.tell().await;
        self.log(told);
        Ok(())
    }

    async fn audit(&self, event: AuditEvent) -> Result<(), ActivationError> {
        let mut tx = self.app.store.write().await?;
        tx.audit(&Actor::Server, event).await?;
        Ok(tx.commit().await?)
    }

    /// Reports what is tried again by another way.
    fn log(&self, result: Result<(), ActivationError>) {
        if let Err(error) = result {
            tracing::error!("HSM {}: {error}", self.hsm.id());
        }
    }

    /// The activation that this lease is of. It may have ended meanwhile by a command, and the next one have the HSM.
    async fn opened_by(&self, lease: &LeaseHandle) -> Result<Option<Activation>, ActivationError> {
        Ok(self.current().await?.filter(|activation| {
            let own = self.app.activations.lease(&activation.terms.id);
            own.is_some_and(|own| own.handle.is(lease))
        }))
    }

    /// Whoever has authenticated is forgotten: the HSM was lost before the lease.
    async fn begin_anew(&mut self, why: String) -> Result<(), ActivationError> {
        self.log_out().await?;
        self.settle_with(Overdue::Requeue { why }).await
    }

    /// Logs the HSM out where custodians are approving.
    async fn log_out(&mut self) -> Result<(), ActivationError> {
        let collecting = |activation: &Activation| activation.state == ActivationState::Collecting;
        if self.current().await?.filter(collecting).is_some()
            // If it is back already, a round that was begun meanwhile begins anew.
            && self.hsm.device().is_ok()
            && let Err(error) = self.hsm.lock().await
        {
            tracing::warn!("HSM {}: {error}", self.hsm.id());
        }
        Ok(())
    }

    /// The custodian's key and card, if they may answer to this activation.
    async fn custodian(
        &self,
        activation: &Activation,
        custodian: &Custodian,
    ) -> Result<(Operator, Answer), ActivationError> {
        let not_allowed = |why: &str| ActivationError::NotAllowed(why.to_owned());
        let mut connection = self.app.store.read().await?;
        let registered = store::hsms::custodians(&mut connection, self.hsm.id()).await?;
        if !registered
            .iter()
            .any(|registered| registered.key == custodian.key)
        {
            return Err(not_allowed(
                "your key is not registered in this HSM: an admin has to do that",
            ));
        }
        if activation.terms.requester.id == custodian.person.id {
            return Err(not_allowed(
                "you asked for this yourself: other custodians must decide",
            ));
        }
        let operator = store::operators::by_key(&mut connection, &custodian.key)
            .await?
            .filter(Operator::is_confirmed)
            .ok_or_else(|| not_allowed("your key is not confirmed, or revoked"))?;
        let answers = store::activations::answers(&mut connection, &activation.terms.id).await?;
        let answer = answers
            .into_iter()
            .find(|answer| answer.key == custodian.key)
            .map_or(Answer::Missing, |answer| answer.answer);
        Ok((operator, answer))
    }

    /// Ends what has the HSM, and locks it.
    async fn stop(mut self, withdrawn_by: Option<Actor>, reply: oneshot::Sender<()>) {
        let ended = async {
            if let Some(admin) = withdrawn_by {
                for activation in self.active().await? {
                    let why = "an admin withdrew it".into();
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
            tracing::error!("at the end: {error}");
        }
        let _ = reply.send(());
    }
}

/// Whether an activation still waits for its quorum.
fn waits(activation: &Activation) -> bool {
    matches!(
        activation.state,
        ActivationState::Queued | ActivationState::Collecting
    )
}

/// Whether an activation is collecting; otherwise why nobody can answer to it.
fn must_collect(activation: &Activation) -> Result<(), ActivationError> {
    match &activation.state {
        ActivationState::Collecting => Ok(()),
        ActivationState::Queued => Err(ActivationError::Conflict(
            activation
                .notice
                .clone()
                .unwrap_or_else(|| "the HSM is absent, or another activation has it: wait".into()),
        )),
        ActivationState::Open { .. } => Err(ActivationError::Conflict(
            "the quorum is there already".into(),
        )),
        ActivationState::Ended { reason, .. } => Err(ActivationError::Ended(reason.clone())),
    }
}
