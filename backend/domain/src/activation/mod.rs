//! Activations, from the request through the quorum to the lease and its end.
//!
//! A coordinator per HSM changes the state of that HSM's activations; every other part of the server sends it commands.

mod approval;
mod attendance;
mod attested;
mod command;
mod coordinator;
mod coordinators;
mod counted;
mod custodians;
mod eligible;
mod error;
mod forget;
mod lease;
mod lease_pool;
mod lock;
mod members;
mod new_activation;
mod open_leases;
mod quota;
mod recovery;
mod request;
mod requester;
mod state;
mod transition;

pub use approval::ApprovedScope;
pub use attendance::Attendance;
pub use command::{Approved, Custodian};
pub use coordinators::Coordinators;
pub use error::ActivationError;
pub use lease::{Entered, Lease, LeaseKey};
pub use lease_pool::{LeasePool, NotCovered, Pass, Reservation};
pub use lock::LockRequest;
pub use open_leases::OpenLeases;
pub use recovery::recover_after_restart;
pub use requester::Requester;
pub use state::combined;
pub use transition::StateChange;

use std::sync::Arc;

use countersign_card::{PkaOptions, SoPin};
use countersign_protocol::{
    activation::Quorum,
    cvc::TrustAnchors,
    hsm::{InitialiseHsm, RegisterCustodian},
    id::MemberId,
};
use sqlx::SqliteConnection;
use tokio::sync::mpsc::UnboundedReceiver;

use self::{command::Command, coordinator::Coordinator};
use crate::{
    clock::Clock,
    config::LeaseConfig,
    hsm::{Hsm, HsmError, Hsms, Notice},
    identity::ServerKey,
    mandate::Mandate,
    store::{self, Store, activations::Activation},
};

/// Requests, approvals and leases. Clones share the same state.
#[derive(Clone)]
pub struct Activations {
    store: Store,
    identity: Arc<ServerKey>,
    anchors: Arc<TrustAnchors>,
    hsms: Hsms,
    leases: OpenLeases,
    coordinators: Coordinators,
    attendance: Arc<Attendance>,
    limits: LeaseConfig,
    clock: Clock,
}

impl Activations {
    pub fn new(
        store: Store,
        identity: Arc<ServerKey>,
        anchors: Arc<TrustAnchors>,
        hsms: Hsms,
        limits: LeaseConfig,
        clock: Clock,
    ) -> Self {
        Self {
            store,
            identity,
            anchors,
            hsms,
            leases: OpenLeases::default(),
            coordinators: Coordinators::default(),
            attendance: Arc::default(),
            limits,
            clock,
        }
    }

    pub fn leases(&self) -> &OpenLeases {
        &self.leases
    }

    pub fn coordinators(&self) -> &Coordinators {
        &self.coordinators
    }

    pub fn attendance(&self) -> &Attendance {
        &self.attendance
    }

    pub fn start(&self, hsm: Hsm, notices: UnboundedReceiver<Notice>) {
        let commands = self.coordinators.add(hsm.id().clone());
        tokio::spawn(Coordinator::new(self, hsm, commands, notices).run());
    }

    /// Erases an HSM and sets up its quorum.
    pub async fn initialise(
        &self,
        mandate: &Mandate,
        request: InitialiseHsm,
        so_pin: SoPin,
    ) -> Result<(), ActivationError> {
        let actor = mandate.actor();
        let hsm = request.hsm.clone();
        let Quorum { required, total } = request.quorum;
        let quorum =
            PkaOptions::new(required, total, request.allow_replace).map_err(HsmError::from)?;
        let initialise = |reply| Command::Initialise {
            actor,
            quorum,
            request,
            so_pin,
            reply,
        };
        self.coordinators.ask(&hsm, initialise).await
    }

    /// Registers the confirmed key of a custodian in an HSM.
    pub async fn register(
        &self,
        mandate: &Mandate,
        RegisterCustodian { hsm, key }: RegisterCustodian,
    ) -> Result<(), ActivationError> {
        let (actor, admin) = (mandate.actor(), mandate.person().clone());
        let register = |reply| Command::Register {
            actor,
            admin,
            key,
            reply,
        };
        self.coordinators.ask(&hsm, register).await
    }
}

/// Loads a member of an activation.
pub async fn load(
    connection: &mut SqliteConnection,
    id: &MemberId,
) -> Result<Activation, ActivationError> {
    store::activations::by_id(connection, id)
        .await?
        .ok_or_else(|| ActivationError::NotFound(id.activation()))
}
