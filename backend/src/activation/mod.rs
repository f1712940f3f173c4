//! Activations: from the request over the quorum to the lease, and its end.
//!
//! One task per HSM, its *desk*, changes the state of that HSM's activations; everybody else asks the desk.

mod approval;
mod attendance;
mod command;
mod desk;
mod eligible;
mod lease;
mod lease_pool;
mod lock;
mod pool;
mod recovery;
mod request;
mod transition;
mod view;

pub use approval::ApprovedScope;
pub use attendance::Attendance;
pub use command::Custodian;
pub use lease::{Entered, Lease, LeaseKey};
pub use lease_pool::{LeasePool, NotCovered};
pub use lock::{LockRequest, lock};
pub use pool::{approve, decline, end_others, task};
pub(crate) use pool::{elsewhere, end_soon};
pub use recovery::recover_after_restart;
pub use request::{Requester, create};
pub(crate) use view::of_member;
pub use view::{by_id, load};

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use countersign_card::PkaOptions;
use countersign_protocol::{
    activation::{ActivationView, ApprovalEvidence, ApprovalOutcome, EndReason},
    audit::Actor,
    cvc::Fingerprint,
    dsse::Envelope,
    hsm::HsmView,
    id::{ActivationId, HsmId},
    operator::Person,
};
use tokio::sync::{
    mpsc::{self, UnboundedReceiver},
    oneshot,
};

use crate::{
    app::App,
    code::NoRandomness,
    hsm::{Hsm, HsmError, Notice},
    identity::IdentityError,
    store::StoreError,
};
use command::{Command, Reply};
use desk::Desk;

/// Commands that may wait for a desk.
const QUEUE: usize = 256;

/// Why nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum ActivationError {
    /// Input.
    #[error("{0}")]
    Invalid(String),
    /// No such activation.
    #[error("there is no activation {0}")]
    NotFound(ActivationId),
    /// Not this person.
    #[error("{0}")]
    NotAllowed(String),
    /// Not in this state.
    #[error("{0}")]
    Conflict(String),
    /// Over.
    #[error("the activation is over: {0}. Ask for a new one")]
    Ended(EndReason),
    /// Statement or response.
    #[error("the approval is not accepted: {0}")]
    Refused(String),
    /// The HSM did it, and the database does not take it yet.
    #[error("{0}")]
    NotStored(String),
    /// The HSM.
    #[error(transparent)]
    Hsm(#[from] HsmError),
    /// Database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Identity key.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// Random numbers.
    #[error(transparent)]
    Random(#[from] NoRandomness),
}

#[derive(Default)]
struct Inner {
    desks: Mutex<BTreeMap<HsmId, mpsc::Sender<Command>>>,
    pools: Mutex<HashMap<ActivationId, Arc<LeasePool>>>,
    attendance: Attendance,
}

/// All desks and open leases. Clones are the same.
#[derive(Clone, Default)]
pub struct Activations(Arc<Inner>);

impl Activations {
    /// Who still waits.
    pub fn attendance(&self) -> &Attendance {
        &self.0.attendance
    }

    /// Starts the desk of an HSM.
    pub fn start(&self, app: &App, hsm: Hsm, notices: UnboundedReceiver<Notice>) {
        let (sender, commands) = mpsc::channel(QUEUE);
        self.desks().insert(hsm.id().clone(), sender);
        tokio::spawn(Desk::new(app.clone(), hsm, commands, notices).run());
    }

    /// Ends every activation of an HSM that this admin withdrew, and its desk.
    pub async fn stop(&self, hsm: &HsmId, admin: &Actor) {
        let desk = self.desks().remove(hsm);
        if let Some(desk) = desk {
            stop(&desk, Some(admin.clone())).await;
        }
    }

    fn desks(&self) -> MutexGuard<'_, BTreeMap<HsmId, mpsc::Sender<Command>>> {
        self.0.desks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn send(&self, hsm: &HsmId, command: Command) -> Result<(), ActivationError> {
        let desk = self.desks().get(hsm).cloned();
        let desk = desk.ok_or_else(|| HsmError::NotFound(hsm.clone()))?;
        desk.send(command).await.map_err(|_| self.gone(hsm))
    }

    async fn ask<T>(
        &self,
        hsm: &HsmId,
        command: impl FnOnce(Reply<T>) -> Command,
    ) -> Result<T, ActivationError> {
        let (reply, answer) = oneshot::channel();
        self.send(hsm, command(reply)).await?;
        answer.await.map_err(|_| self.gone(hsm))?
    }

    /// Why a desk answers no more.
    fn gone(&self, hsm: &HsmId) -> ActivationError {
        ActivationError::Hsm(if self.desks().contains_key(hsm) {
            HsmError::Unavailable("the server is stopping".into())
        } else {
            HsmError::NotFound(hsm.clone())
        })
    }

    /// A new request is waiting: begins with it, if the HSM is free.
    ///
    /// # Errors
    /// [`ActivationError`].
    pub async fn begin(&self, hsm: &HsmId) -> Result<(), ActivationError> {
        self.ask(hsm, Command::Begin).await
    }

    /// The task for a custodian's helper.
    ///
    /// # Errors
    /// [`ActivationError`].
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

    /// What a custodian's card has signed.
    ///
    /// # Errors
    /// [`ActivationError`].
    pub async fn approve(
        &self,
        hsm: &HsmId,
        activation: ActivationId,
        custodian: Custodian,
        evidence: ApprovalEvidence,
    ) -> Result<ApprovalOutcome, ActivationError> {
        let evidence = Box::new(evidence);
        self.ask(hsm, |reply| Command::Approve {
            activation,
            custodian,
            evidence,
            reply,
        })
        .await
    }

    /// A custodian declines.
    ///
    /// # Errors
    /// [`ActivationError`].
    pub async fn decline(
        &self,
        hsm: &HsmId,
        activation: ActivationId,
        custodian: Custodian,
        reason: String,
    ) -> Result<ActivationView, ActivationError> {
        self.ask(hsm, |reply| Command::Decline {
            activation,
            custodian,
            reason,
            reply,
        })
        .await
    }

    async fn end_for(
        &self,
        hsm: &HsmId,
        activation: ActivationId,
        request: LockRequest,
    ) -> Result<ActivationView, ActivationError> {
        self.ask(hsm, |reply| Command::Lock {
            activation,
            request,
            reply,
        })
        .await
    }

    /// A signature was recorded.
    ///
    /// # Errors
    /// [`ActivationError`].
    pub async fn signed(
        &self,
        hsm: &HsmId,
        activation: ActivationId,
    ) -> Result<(), ActivationError> {
        self.send(hsm, Command::Signed { activation }).await
    }

    /// What can go on no longer is to end.
    ///
    /// # Errors
    /// [`ActivationError`].
    pub async fn end(
        &self,
        hsm: &HsmId,
        activation: ActivationId,
        reason: EndReason,
    ) -> Result<(), ActivationError> {
        self.send(hsm, Command::End { activation, reason }).await
    }

    /// Erases an HSM and sets up its quorum.
    ///
    /// # Errors
    /// [`ActivationError`].
    pub async fn initialise(
        &self,
        hsm: &HsmId,
        actor: Actor,
        quorum: PkaOptions,
        request: countersign_protocol::hsm::InitialiseHsm,
        so_pin: countersign_card::SoPin,
    ) -> Result<HsmView, ActivationError> {
        self.ask(hsm, |reply| Command::Initialise {
            actor,
            quorum,
            request,
            so_pin,
            reply,
        })
        .await
    }

    /// Registers a custodian's key in an HSM.
    ///
    /// # Errors
    /// [`ActivationError`].
    pub async fn register(
        &self,
        hsm: &HsmId,
        actor: Actor,
        admin: Person,
        key: Fingerprint,
    ) -> Result<HsmView, ActivationError> {
        self.ask(hsm, |reply| Command::Register {
            actor,
            admin,
            key,
            reply,
        })
        .await
    }

    /// The leases of an activation that is open, or was on some HSM and waits for another.
    pub fn pool(&self, id: &ActivationId) -> Option<Arc<LeasePool>> {
        self.pools().get(&id.activation()).cloned()
    }

    /// The open lease of an activation, or of one HSM of its pool.
    pub fn lease(&self, id: &ActivationId) -> Option<Arc<Lease>> {
        self.pool(id)?.member(id)
    }

    /// Every open lease.
    pub fn open_leases(&self) -> Vec<Arc<Lease>> {
        let pools = self.pools();
        let leases = pools.values().flat_map(|pool| pool.open());
        leases.collect()
    }

    fn pools(&self) -> MutexGuard<'_, HashMap<ActivationId, Arc<LeasePool>>> {
        self.0.pools.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends every activation that has an HSM, and the desks.
    pub async fn shutdown(&self) {
        let desks: Vec<_> = self.desks().values().cloned().collect();
        for desk in desks {
            stop(&desk, None).await;
        }
    }
}

async fn stop(desk: &mpsc::Sender<Command>, withdrawn_by: Option<Actor>) {
    let (reply, stopped) = oneshot::channel();
    let command = Command::Stop {
        withdrawn_by,
        reply,
    };
    if desk.send(command).await.is_ok() {
        let _ = stopped.await;
    }
}
