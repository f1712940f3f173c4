//! One HSM's open lease: which keys may be used there, and for how long.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use countersign_protocol::{
    activation::{ActivationTerms, EndReason},
    cvc::{Fingerprint, PublicKey},
};
use tokio::sync::{OwnedRwLockReadGuard, RwLock, RwLockWriteGuard, watch};

use super::LeasePool;
use crate::hsm::{Hsm, LeaseHandle};

/// An open lease. Only the coordinator makes one, out of the custodians' signed approvals.
pub struct Lease {
    /// The activation's leases, this one among them while it is open.
    pub pool: Arc<LeasePool>,
    /// What was asked for, of this HSM.
    pub terms: ActivationTerms,
    /// The HSM.
    pub hsm: Hsm,
    /// The lease as the HSM's thread knows it.
    pub handle: LeaseHandle,
    /// The keys that may be used.
    keys: Vec<LeaseKey>,
    /// Held while something is signed and recorded.
    busy: Arc<RwLock<()>>,
    /// Signatures under way.
    load: Arc<AtomicUsize>,
    /// Signatures that ever were under way.
    turns: AtomicUsize,
    /// How the lease ended: set when the end is stored, or cannot be stored yet.
    closed: watch::Sender<Option<EndReason>>,
}

/// A key under a lease.
#[derive(Clone, Debug)]
pub struct LeaseKey {
    /// Reference on the card.
    pub reference: u8,
    /// The key.
    pub public_key: PublicKey,
    /// Its fingerprint.
    pub fingerprint: Fingerprint,
    /// Label.
    pub label: String,
}

/// A signature on its way to one HSM; counts as under way until it is dropped.
pub struct Entered {
    /// The lease.
    pub lease: Arc<Lease>,
    _busy: OwnedRwLockReadGuard<()>,
    _turn: Turn,
}

/// A place in an HSM's queue.
pub(super) struct Turn(Arc<AtomicUsize>);

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Lease {
    pub(super) fn new(
        pool: Arc<LeasePool>,
        terms: ActivationTerms,
        hsm: Hsm,
        keys: Vec<LeaseKey>,
    ) -> Self {
        Self {
            pool,
            terms,
            hsm,
            handle: LeaseHandle::default(),
            keys,
            busy: Arc::default(),
            load: Arc::default(),
            turns: AtomicUsize::new(0),
            closed: watch::Sender::new(None),
        }
    }

    /// The key with this fingerprint; without one, the only key there is.
    pub fn key(&self, wanted: Option<&Fingerprint>) -> Option<&LeaseKey> {
        match (wanted, self.keys.as_slice()) {
            (Some(wanted), keys) => keys.iter().find(|key| key.fingerprint == *wanted),
            (None, [only]) => Some(only),
            (None, _) => None,
        }
    }

    /// From now on nothing is signed.
    pub fn revoke(&self) {
        self.handle.revoke();
    }

    /// Keeps everybody waiting until the opening is recorded.
    pub(super) async fn hold(&self) -> RwLockWriteGuard<'_, ()> {
        self.busy.write().await
    }

    /// Waits until everything under way is recorded. Nothing new begins on a revoked lease.
    pub(super) async fn drain(&self) {
        drop(self.busy.write().await);
    }

    /// The HSM is locked, and this is why.
    pub(super) fn close(&self, reason: EndReason) {
        self.closed.send_replace(Some(reason));
    }

    /// Waits until a revoked lease has ended, and returns how.
    pub async fn closed(&self) -> Option<EndReason> {
        // The sender lives as long as the lease.
        let mut closed = self.closed.subscribe();
        let closed = closed.wait_for(Option::is_some).await.ok()?;
        closed.clone()
    }

    /// Signatures under way, and those that ever were.
    pub(super) fn load(&self) -> (usize, usize) {
        (
            self.load.load(Ordering::SeqCst),
            self.turns.load(Ordering::SeqCst),
        )
    }

    /// Takes a place in the HSM's queue.
    pub(super) fn queue(&self) -> Turn {
        self.load.fetch_add(1, Ordering::SeqCst);
        self.turns.fetch_add(1, Ordering::SeqCst);
        Turn(self.load.clone())
    }

    /// Goes in for one signature; `None`: the lease is over.
    pub(super) async fn enter(self: Arc<Self>, turn: Turn) -> Option<Entered> {
        let busy = self.busy.clone().read_owned().await;
        (!self.handle.is_revoked()).then_some(Entered {
            lease: self,
            _busy: busy,
            _turn: turn,
        })
    }
}
