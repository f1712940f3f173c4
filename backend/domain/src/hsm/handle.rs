//! The handle of an HSM, which sends work to its thread and waits for the result.

use std::sync::{
    Arc,
    mpsc::{self, Sender},
};

use countersign_card::{
    KeySpec, PkaOptions, SignAlgorithm, SoPin,
    pka::{Challenge, ChallengeBehaviour, PkaStatus},
};
use countersign_protocol::{
    Timestamp,
    cvc::{AuthenticatedRequest, DeviceId, PkaFile, TrustAnchors},
    id::HsmId,
};
use tokio::sync::{mpsc::UnboundedReceiver, oneshot, watch};

use crate::{clock::Deadline, faults::fault_point, store::quarantines::Quarantine};

use super::{
    Connector, HsmError, LeaseHandle, Refusal, Responded, Response,
    attached::Attached,
    quarantines::Quarantines,
    snapshot::{Device, Notice, Snapshot},
    thread::{After, Order, Work, Worker, after, after_lock, after_signing},
};

/// The handle of an HSM's thread. Clones refer to the same HSM.
#[derive(Clone)]
pub struct Hsm {
    id: HsmId,
    transport: Arc<str>,
    orders: Sender<Order>,
    snapshot: watch::Receiver<Snapshot>,
    quarantines: Quarantines,
}

pub struct NewHsm {
    pub id: HsmId,
    pub connector: Box<dyn Connector>,
    pub anchors: Arc<TrustAnchors>,
    /// The expected device. `None` accepts the first device that is attached.
    pub expected: Option<DeviceId>,
    pub behaviour: ChallengeBehaviour,
    pub quarantines: Quarantines,
}

impl Hsm {
    /// Starts the thread.
    ///
    /// # Errors
    /// The operating system cannot start a thread.
    pub fn start(new: NewHsm) -> std::io::Result<(Self, UnboundedReceiver<Notice>)> {
        let NewHsm {
            id,
            connector,
            anchors,
            expected,
            behaviour,
            quarantines,
        } = new;
        let (orders, received) = mpsc::channel();
        let absent = Snapshot::Absent {
            since: Timestamp::now(),
            why: "the server has not searched for it yet".into(),
        };
        let (snapshot, seen) = watch::channel(absent);
        let (notices, noticed) = tokio::sync::mpsc::unbounded_channel();
        let transport = connector.describe().into();
        let span = tracing::info_span!(parent: None, "hsm", hsm = %id);
        let worker = Worker {
            connector,
            anchors,
            expected,
            behaviour,
            orders: received,
            snapshot,
            notices,
            quarantines: quarantines.clone(),
        };
        std::thread::Builder::new()
            .name(format!("hsm {id}"))
            .spawn(move || span.in_scope(|| worker.run()))?;
        let hsm = Self {
            id,
            transport,
            orders,
            snapshot: seen,
            quarantines,
        };
        Ok((hsm, noticed))
    }

    pub fn id(&self) -> &HsmId {
        &self.id
    }

    /// A description of how the HSM is attached, shown to people.
    pub fn transport(&self) -> &str {
        &self.transport
    }

    pub fn snapshot(&self) -> Snapshot {
        self.snapshot.borrow().clone()
    }

    /// Reports changes of [`Self::snapshot`].
    pub fn changes(&self) -> watch::Receiver<Snapshot> {
        self.snapshot.clone()
    }

    /// The verified device.
    ///
    /// # Errors
    /// [`HsmError::Unavailable`] if the HSM is not connected or was rejected.
    pub fn device(&self) -> Result<Arc<Device>, HsmError> {
        match &*self.snapshot.borrow() {
            Snapshot::Ready(device) => Ok(device.clone()),
            Snapshot::Absent { why, .. } => Err(HsmError::Unavailable(format!(
                "HSM {} is not connected: {why}",
                self.id
            ))),
            Snapshot::Quarantined { why, .. } => Err(HsmError::Unavailable(format!(
                "HSM {} is in quarantine: {why}",
                self.id
            ))),
            Snapshot::Refused { why } => Err(HsmError::Unavailable(format!(
                "HSM {} was rejected: {why}",
                self.id
            ))),
        }
    }

    /// Sends work to the thread, and waits for its result.
    async fn ask<T: Send + 'static>(
        &self,
        after: fn(&Result<T, Refusal>) -> After,
        work: impl FnOnce(&mut Attached) -> Result<T, Refusal> + Send + 'static,
    ) -> Result<T, HsmError> {
        let (reply, answer) = oneshot::channel();
        let work: Work = Box::new(move |device| {
            let result = device.and_then(work);
            let after = after(&result);
            // Sending fails if the caller has disconnected.
            (after, Box::new(move || drop(reply.send(result))))
        });
        self.send(Order::Work(work))?;
        Ok(answer.await.map_err(|_| HsmError::Stopped)??)
    }

    fn send(&self, order: Order) -> Result<(), HsmError> {
        let stopping = |_| HsmError::Unavailable("the server is stopping".into());
        self.orders.send(order).map_err(stopping)
    }

    /// The challenge that the next custodian must sign.
    pub async fn challenge(&self) -> Result<Challenge, HsmError> {
        self.ask(after, Attached::challenge).await
    }

    /// Presents a custodian's response to the device.
    pub async fn respond(&self, response: Response) -> Result<Responded, HsmError> {
        self.ask(after, move |device| device.respond(&response))
            .await
    }

    /// Begins a lease, which the thread ends at `deadline` automatically.
    ///
    /// # Errors
    /// [`HsmError::NotOpen`] if the device does not confirm that its quorum is complete.
    pub async fn open_lease(
        &self,
        lease: &LeaseHandle,
        deadline: Deadline,
    ) -> Result<(), HsmError> {
        let lease = lease.clone();
        self.ask(after, move |device| device.open(lease, deadline))
            .await
    }

    /// Signs with exactly one command.
    ///
    /// # Errors
    /// [`HsmError::NotOpen`] if the lease is not open; [`HsmError::Card`] if the card refused the command.
    pub async fn sign(
        &self,
        lease: &LeaseHandle,
        reference: u8,
        algorithm: SignAlgorithm,
        input: Vec<u8>,
    ) -> Result<Vec<u8>, HsmError> {
        let lease = lease.clone();
        self.ask(after_signing, move |device| {
            let card = device.under(&lease)?;
            fault_point!("hsm/before sign");
            let signature = card.sign(reference, algorithm, &input)?;
            fault_point!("hsm/after sign");
            Ok(signature)
        })
        .await
    }

    pub async fn generate_key(
        &self,
        lease: &LeaseHandle,
        spec: KeySpec,
    ) -> Result<AuthenticatedRequest, HsmError> {
        let lease = lease.clone();
        self.ask(after_signing, move |device| device.generate(&lease, &spec))
            .await
    }

    /// Locks the HSM and returns a description of the proof. An HSM that is not connected cannot prove anything, but its
    /// connection was reset.
    pub async fn lock(&self) -> Result<String, HsmError> {
        self.ask(after_lock, Attached::lock_and_refresh).await
    }

    /// Erases the device and sets up its quorum.
    pub async fn initialise(&self, quorum: PkaOptions, so_pin: SoPin) -> Result<(), HsmError> {
        self.ask(after, move |device| device.initialise(quorum, &so_pin))
            .await
    }

    pub async fn register(&self, file: PkaFile) -> Result<PkaStatus, HsmError> {
        self.ask(after, move |device| device.register(&file)).await
    }

    /// Has the thread check the connection now instead of at the next heartbeat, because the device may have been attached again.
    pub fn look(&self) {
        // Sending fails if the thread has ended.
        let _ = self.orders.send(Order::Look);
    }

    /// Has no HSM use this device, which is the one of this HSM, and locks the HSM.
    pub fn quarantine(&self, device: DeviceId, quarantine: Quarantine) {
        self.quarantines.add(device, quarantine);
        // Sending fails if the thread has ended.
        let _ = self.orders.send(Order::Quarantine);
    }

    /// Locks the HSM and ends the thread.
    pub async fn shutdown(&self) {
        let (reply, stopped) = oneshot::channel();
        if self.send(Order::Shutdown(reply)).is_ok() && stopped.await.is_err() {
            tracing::warn!(hsm = %self.id, "the HSM's thread ended before it could lock the HSM");
        }
    }
}
