//! The open lease of one HSM: which keys may be used there, and for how long.

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

/// An open lease. Only the coordinator creates one, from the custodians' signed approvals.
pub struct Lease {
    /// All leases of the activation, including this one while it is open.
    pub pool: Arc<LeasePool>,
    /// The terms of the request for this HSM.
    pub terms: ActivationTerms,
    pub hsm: Hsm,
    pub handle: LeaseHandle,
    keys: Vec<LeaseKey>,
    /// Read-locked while a signature is created and recorded, write-locked while the opening is recorded.
    busy: Arc<RwLock<()>>,
    /// Number of signatures in progress.
    in_progress: Arc<AtomicUsize>,
    /// Number of signatures that were ever started.
    started: AtomicUsize,
    /// How the lease ended. Set when the end is stored, or when storing it has failed for now.
    closed: watch::Sender<Option<EndReason>>,
}

#[derive(Clone, Debug)]
pub struct LeaseKey {
    /// Key reference in commands.
    pub reference: u8,
    pub public_key: PublicKey,
    pub fingerprint: Fingerprint,
    pub label: String,
}

/// A signature in progress on one HSM, until it is dropped.
pub struct Entered {
    pub lease: Arc<Lease>,
    _busy: OwnedRwLockReadGuard<()>,
    _slot: QueueSlot,
}

/// A place in an HSM's queue.
pub(super) struct QueueSlot(Arc<AtomicUsize>);

impl Drop for QueueSlot {
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
            in_progress: Arc::default(),
            started: AtomicUsize::new(0),
            closed: watch::Sender::new(None),
        }
    }

    /// The key with this fingerprint; without a fingerprint, the lease's only key.
    pub fn key(&self, wanted: Option<&Fingerprint>) -> Option<&LeaseKey> {
        match (wanted, self.keys.as_slice()) {
            (Some(wanted), keys) => keys.iter().find(|key| key.fingerprint == *wanted),
            (None, [only]) => Some(only),
            (None, _) => None,
        }
    }

    /// Prevents every further signature under this lease.
    pub fn revoke(&self) {
        self.handle.revoke();
    }

    /// Delays all signatures until the guard is dropped, so that the opening is recorded first.
    pub(super) async fn hold(&self) -> RwLockWriteGuard<'_, ()> {
        self.busy.write().await
    }

    /// Waits until all signatures in progress are recorded. The lease must be revoked, so that no new ones start.
    pub(super) async fn drain(&self) {
        drop(self.busy.write().await);
    }

    /// Reports the end of the lease to [`Self::closed`].
    pub(super) fn close(&self, reason: EndReason) {
        self.closed.send_replace(Some(reason));
    }

    /// Waits until a revoked lease has ended, and returns the reason.
    pub async fn closed(&self) -> Option<EndReason> {
        // The sender lives as long as the lease.
        let mut closed = self.closed.subscribe();
        let closed = closed.wait_for(Option::is_some).await.ok()?;
        closed.clone()
    }

    /// Number of signatures in progress, and of all that were ever started.
    pub(super) fn load(&self) -> (usize, usize) {
        (
            self.in_progress.load(Ordering::SeqCst),
            self.started.load(Ordering::SeqCst),
        )
    }

    /// Takes a place in the HSM's queue.
    pub(super) fn queue(&self) -> QueueSlot {
        self.in_progress.fetch_add(1, Ordering::SeqCst);
        self.started.fetch_add(1, Ordering::SeqCst);
        QueueSlot(self.in_progress.clone())
    }

    /// Starts one signature. `None` means that the lease has ended.
    pub(super) async fn enter(self: Arc<Self>, slot: QueueSlot) -> Option<Entered> {
        let busy = self.busy.clone().read_owned().await;
        (!self.handle.is_revoked()).then_some(Entered {
            lease: self,
            _busy: busy,
            _slot: slot,
        })
    }
}
