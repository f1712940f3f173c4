//! An HSM as the rest of the server holds it: asks its thread, waits for the answer.

use std::{
    sync::{
        Arc,
        mpsc::{self, Sender},
    },
    time::Instant,
};

use countersign_card::{
    KeySpec, PkaOptions, SignAlgorithm, SoPin,
    pka::{Challenge, PkaStatus},
};
use countersign_protocol::{
    cvc::{AuthenticatedRequest, PkaFile},
    id::HsmId,
};
use tokio::sync::{mpsc::UnboundedReceiver, oneshot, watch};

use super::{
    HsmError,
    job::{Job, LeaseHandle, Refusal, Reply, Responded, Response},
    snapshot::{Device, Notice, Snapshot},
    thread::Worker,
};

/// An HSM's thread, to be asked.
#[derive(Clone)]
pub struct Hsm {
    id: HsmId,
    transport: Arc<str>,
    jobs: Sender<Job>,
    snapshot: watch::Receiver<Snapshot>,
}

/// What a new thread needs from outside.
pub struct NewHsm {
    pub id: HsmId,
    pub connector: Box<dyn super::Connector>,
    pub anchors: Arc<countersign_protocol::cvc::TrustAnchors>,
    pub expected: Option<countersign_protocol::cvc::DeviceId>,
    pub behaviour: countersign_card::pka::ChallengeBehaviour,
}

impl Hsm {
    /// Starts the thread.
    ///
    /// # Errors
    /// The operating system's.
    pub fn start(new: NewHsm) -> std::io::Result<(Self, UnboundedReceiver<Notice>)> {
        let NewHsm {
            id,
            connector,
            anchors,
            expected,
            behaviour,
        } = new;
        let (jobs, received) = mpsc::channel();
        let absent = Snapshot::Absent {
            since: countersign_protocol::Timestamp::now(),
            why: "it has not been looked for yet".into(),
        };
        let (snapshot, seen) = watch::channel(absent);
        let (notices, noticed) = tokio::sync::mpsc::unbounded_channel();
        let transport = connector.describe().into();
        let worker = Worker {
            connector,
            anchors,
            expected,
            behaviour,
            jobs: received,
            snapshot,
            notices,
        };
        std::thread::Builder::new()
            .name(format!("hsm {id}"))
            .spawn(move || worker.run())?;
        Ok((
            Self {
                id,
                transport,
                jobs,
                snapshot: seen,
            },
            noticed,
        ))
    }

    /// Name in the configuration.
    pub fn id(&self) -> &HsmId {
        &self.id
    }

    /// How it is attached, for people.
    pub fn transport(&self) -> &str {
        &self.transport
    }

    /// Where it stands.
    pub fn snapshot(&self) -> Snapshot {
        self.snapshot.borrow().clone()
    }

    /// Tells of changes of [`Self::snapshot`].
    pub fn changes(&self) -> watch::Receiver<Snapshot> {
        self.snapshot.clone()
    }

    /// The verified device.
    ///
    /// # Errors
    /// [`HsmError::Unavailable`].
    pub fn device(&self) -> Result<Arc<Device>, HsmError> {
        match &*self.snapshot.borrow() {
            Snapshot::Ready(device) => Ok(device.clone()),
            Snapshot::Absent { why, .. } => Err(HsmError::Unavailable(format!(
                "HSM {} is absent: {why}",
                self.id
            ))),
            Snapshot::Refused { why } => Err(HsmError::Unavailable(format!(
                "HSM {} was refused: {why}",
                self.id
            ))),
        }
    }

    async fn ask<T>(&self, job: impl FnOnce(Reply<T>) -> Job) -> Result<T, HsmError> {
        let (reply, answer) = oneshot::channel();
        let gone = |_| HsmError::Unavailable("the server is stopping".into());
        self.jobs.send(job(reply)).map_err(gone)?;
        answer
            .await
            .map_err(|_| HsmError::Stopped)?
            .map_err(|refusal| match refusal {
                Refusal::Unavailable(why) => HsmError::Unavailable(why),
                Refusal::NotOpen => HsmError::NotOpen,
                Refusal::InUse => {
                    HsmError::Conflict("the HSM is in use: wait, or lock it first".into())
                }
                Refusal::Card(error) => HsmError::Card(error),
            })
    }

    /// The challenge that custodians are to sign now.
    ///
    /// # Errors
    /// [`HsmError`].
    pub async fn challenge(&self) -> Result<Challenge, HsmError> {
        self.ask(Job::Challenge).await
    }

    /// Presents a custodian's response.
    ///
    /// # Errors
    /// [`HsmError`].
    pub async fn respond(&self, response: Response) -> Result<Responded, HsmError> {
        self.ask(|reply| Job::Respond(Box::new(response), reply))
            .await
    }

    /// Begins a lease; the thread ends it by itself at `deadline`.
    ///
    /// # Errors
    /// [`HsmError::NotOpen`]: the device does not count its quorum.
    pub async fn open_lease(&self, lease: &LeaseHandle, deadline: Instant) -> Result<(), HsmError> {
        let lease = lease.clone();
        self.ask(|reply| Job::OpenLease {
            lease,
            deadline,
            reply,
        })
        .await
    }

    /// Signs, with exactly one command.
    ///
    /// # Errors
    /// [`HsmError::NotOpen`], [`HsmError::Card`].
    pub async fn sign(
        &self,
        lease: &LeaseHandle,
        reference: u8,
        algorithm: SignAlgorithm,
        input: Vec<u8>,
    ) -> Result<Vec<u8>, HsmError> {
        let lease = lease.clone();
        self.ask(|reply| Job::Sign {
            lease,
            reference,
            algorithm,
            input,
            reply,
        })
        .await
    }

    /// Generates a key.
    ///
    /// # Errors
    /// [`HsmError`].
    pub async fn generate_key(
        &self,
        lease: &LeaseHandle,
        spec: KeySpec,
    ) -> Result<AuthenticatedRequest, HsmError> {
        let lease = lease.clone();
        self.ask(|reply| Job::GenerateKey { lease, spec, reply })
            .await
    }

    /// Logs out and proves it; says how. An absent HSM cannot prove anything, but its connection was reset.
    ///
    /// # Errors
    /// [`HsmError`].
    pub async fn lock(&self) -> Result<String, HsmError> {
        self.ask(Job::Lock).await
    }

    /// Erases the device and sets up its quorum.
    ///
    /// # Errors
    /// [`HsmError`].
    pub async fn initialise(&self, quorum: PkaOptions, so_pin: SoPin) -> Result<(), HsmError> {
        self.ask(|reply| Job::Initialise {
            quorum,
            so_pin,
            reply,
        })
        .await
    }

    /// Registers a custodian's key.
    ///
    /// # Errors
    /// [`HsmError`].
    pub async fn register(&self, file: PkaFile) -> Result<PkaStatus, HsmError> {
        self.ask(|reply| Job::Register(Box::new(file), reply)).await
    }

    /// The device may have come back, or another connection to it: looks now and not at the next heartbeat.
    pub fn look(&self) {
        // A thread that has ended looks no more.
        let _ = self.jobs.send(Job::Look);
    }

    /// Locks, and ends the thread.
    pub async fn shutdown(&self) {
        if let Err(error) = self.ask(Job::Shutdown).await {
            tracing::warn!("HSM {} at the end: {error}", self.id);
        }
    }
}
