//! What others ask of an HSM's thread.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use countersign_card::{
    CardError, KeySpec, PkaOptions, SignAlgorithm, SoPin,
    pka::{Challenge, ChallengeBehaviour, PkaStatus, RespondOutcome},
};
use countersign_protocol::cvc::{AuthenticatedRequest, Chr, EcSignature, PkaFile, PublicKey};
use tokio::sync::oneshot;

/// Why an HSM did not do what was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Not there.
    #[error("{0}")]
    Unavailable(String),
    /// No lease, another lease, or its time is over.
    #[error("the HSM is locked")]
    NotOpen,
    /// Something else is under way.
    #[error("the HSM is in use")]
    InUse,
    /// The card's.
    #[error(transparent)]
    Card(#[from] CardError),
}

/// Where an answer goes. Whoever asked may have left.
pub type Reply<T> = oneshot::Sender<Result<T, Refusal>>;

/// A lease as the thread sees it. Clones are the same lease.
#[derive(Clone, Debug, Default)]
pub struct LeaseHandle(Arc<AtomicBool>);

impl LeaseHandle {
    /// From now on nothing is signed under this lease, not even what waits already.
    pub fn revoke(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    /// Whether it was revoked.
    pub fn is_revoked(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }

    /// Whether both are the same lease.
    pub fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

/// A custodian's response to a challenge.
#[derive(Debug)]
pub struct Response {
    /// Name of the key.
    pub name: Chr,
    /// The registered key.
    pub key: PublicKey,
    /// The challenge that was answered.
    pub challenge: Challenge,
    /// The answer.
    pub signature: EcSignature,
}

/// What became of a [`Response`].
#[derive(Debug)]
pub struct Responded {
    /// The outcome.
    pub outcome: RespondOutcome,
    /// What is known by now of how the device's challenges live.
    pub behaviour: ChallengeBehaviour,
}

/// One thing to do.
pub enum Job {
    /// The challenge that custodians are to sign now; begins a round where there is none.
    Challenge(Reply<Challenge>),
    /// Present a response.
    Respond(Box<Response>, Reply<Responded>),
    /// Begin a lease, if the device counts its quorum.
    OpenLease {
        /// The lease.
        lease: LeaseHandle,
        /// When the thread ends it by itself.
        deadline: Instant,
        /// Answer.
        reply: Reply<()>,
    },
    /// Sign: exactly one command.
    Sign {
        /// Under which lease.
        lease: LeaseHandle,
        /// Reference of the key.
        reference: u8,
        /// Algorithm.
        algorithm: SignAlgorithm,
        /// Its input.
        input: Vec<u8>,
        /// Answer.
        reply: Reply<Vec<u8>>,
    },
    /// Generate a key.
    GenerateKey {
        /// Under which lease.
        lease: LeaseHandle,
        /// The key.
        spec: KeySpec,
        /// Answer.
        reply: Reply<AuthenticatedRequest>,
    },
    /// Log out, and prove it. The answer says how.
    Lock(Reply<String>),
    /// Erase and set up.
    Initialise {
        /// The quorum.
        quorum: PkaOptions,
        /// The SO-PIN.
        so_pin: SoPin,
        /// Answer.
        reply: Reply<()>,
    },
    /// Register a custodian's key.
    Register(Box<PkaFile>, Reply<PkaStatus>),
    /// Lock and end.
    Shutdown(Reply<()>),
    /// The device may have come back, or may be connected anew.
    Look,
}
