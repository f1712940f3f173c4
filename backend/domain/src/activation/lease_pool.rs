//! What may be signed under an activation. The limits apply to all of its HSMs together.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
};

use countersign_protocol::{
    Timestamp,
    activation::{ActivationTerms, EndReason},
    file_digest::FileDigest,
    id::MemberId,
    lease::LeaseLimits,
    mechanism::{Hash, Mechanism},
};
use tokio::sync::watch;

use super::{
    ApprovedScope, Lease,
    lease::{Entered, QueueSlot},
};
use crate::clock::{Clock, Deadline};

/// The leases of one activation, one for each HSM that was opened for it.
pub struct LeasePool {
    /// The terms of the request for the HSM that was opened first.
    pub terms: ActivationTerms,
    scope: ApprovedScope,
    limits: LeaseLimits,
    /// When all leases expire; set when the first HSM opens.
    until: OnceLock<Deadline>,
    clock: Clock,
    leases: Mutex<Vec<Arc<Lease>>>,
    /// Idempotency keys in progress. A repeated request waits until the sender is dropped.
    under_way: Mutex<HashMap<String, watch::Receiver<()>>>,
    signed: Mutex<Signed>,
}

#[derive(Default)]
struct Signed {
    /// Signatures that were created, were possibly created, or are in progress. Leases never survive a restart, so the count need
    /// not be stored.
    reserved: u32,
    /// Signatures that an HSM may have created, but that no client received.
    lost: u32,
    /// The idempotency keys of all reservations.
    keys: HashSet<String>,
    /// Recorded signatures.
    count: u32,
    /// Signed digests, as bytes, because each hash function has its own digest length.
    digests: HashSet<Vec<u8>>,
}

impl Signed {
    /// Whether no signatures are left or in progress.
    fn is_used_up(&self, limits: LeaseLimits) -> bool {
        self.count + self.lost >= limits.signatures
    }
}

/// The reason why a lease does not cover a signature.
#[derive(Debug, PartialEq, Eq)]
pub enum NotCovered {
    /// The digest is not approved.
    Digest,
    /// No file was approved by a digest of this mechanism's hash function, so its input cannot be matched to a file.
    Mechanism,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl LeasePool {
    pub(super) fn new(
        terms: ActivationTerms,
        scope: ApprovedScope,
        limits: LeaseLimits,
        clock: Clock,
    ) -> Self {
        Self {
            clock,
            terms,
            scope,
            limits,
            until: OnceLock::new(),
            leases: Mutex::default(),
            under_way: Mutex::default(),
            signed: Mutex::default(),
        }
    }

    /// Whether the quorum of another HSM approved the same.
    pub(super) fn is(&self, scope: &ApprovedScope, limits: LeaseLimits) -> bool {
        self.scope == *scope && self.limits == limits
    }

    /// When the leases expire. The first HSM that opens fixes the time.
    pub(super) fn until(&self) -> Deadline {
        let deadline = || Deadline::after(&self.clock, self.limits.seconds);
        self.until.get_or_init(deadline).clone()
    }

    /// When the leases expire; `None` before the first HSM has opened.
    pub(super) fn ends_at(&self) -> Option<Timestamp> {
        self.until.get().map(Deadline::wall)
    }

    /// Whether the leases have expired.
    pub(super) fn is_expired(&self) -> bool {
        self.until.get().is_some_and(Deadline::has_come)
    }

    pub(super) fn add(&self, lease: Arc<Lease>) {
        lock(&self.leases).push(lease);
    }

    pub(super) fn remove(&self, member: &MemberId) {
        lock(&self.leases).retain(|lease| lease.terms.id != *member);
    }

    /// The lease of one HSM.
    pub fn member(&self, id: &MemberId) -> Option<Arc<Lease>> {
        let leases = lock(&self.leases);
        leases.iter().find(|lease| lease.terms.id == *id).cloned()
    }

    /// The leases whose end is not stored yet.
    pub fn members(&self) -> Vec<Arc<Lease>> {
        lock(&self.leases).clone()
    }

    /// The leases that are not revoked.
    pub fn open(&self) -> Vec<Arc<Lease>> {
        let leases = lock(&self.leases);
        let open = leases.iter().filter(|lease| !lease.handle.is_revoked());
        open.cloned().collect()
    }

    pub fn scope(&self) -> &ApprovedScope {
        &self.scope
    }

    /// Starts a signature on the open HSM with the fewest signatures in progress; of several, on the one that has started the
    /// fewest so far. Skips the HSMs in `tried`. `None` means that no other HSM is open.
    pub async fn enter(&self, tried: &[MemberId]) -> Option<Entered> {
        while let Some((lease, slot)) = self.shortest(tried) {
            if let Some(entered) = lease.enter(slot).await {
                return Some(entered);
            }
        }
        None
    }

    fn shortest(&self, tried: &[MemberId]) -> Option<(Arc<Lease>, QueueSlot)> {
        let leases = lock(&self.leases);
        let open = leases
            .iter()
            .filter(|lease| !lease.handle.is_revoked() && !tried.contains(&lease.terms.id));
        let lease = open.min_by_key(|lease| lease.load())?.clone();
        // Count the signature while the list is locked, so that the next caller sees it.
        let slot = lease.queue();
        Some((lease, slot))
    }

    /// Checks that the quorum approved this signature, and returns the file's name if there is a manifest.
    pub fn covers(
        &self,
        mechanism: Mechanism,
        digest: &[u8],
    ) -> Result<Option<String>, NotCovered> {
        match &self.scope {
            ApprovedScope::Anything { .. } => Ok(None),
            ApprovedScope::GenerateKey { .. } => Err(NotCovered::Digest),
            ApprovedScope::Files(files) => {
                let is_used = |hash: &Hash| files.keys().any(|listed| listed.hash() == *hash);
                let hash = mechanism.hash().filter(is_used);
                let hash = hash.ok_or(NotCovered::Mechanism)?;
                FileDigest::new(hash, digest)
                    .and_then(|digest| files.get(&digest))
                    .map(|name| Some(name.clone()))
                    .ok_or(NotCovered::Digest)
            }
        }
    }

    /// Begins work on an idempotency key.
    ///
    /// # Errors
    /// Another request with this key is in progress; the returned channel closes when that request is done.
    pub fn begin(self: &Arc<Self>, idempotency_key: &str) -> Result<Pass, watch::Receiver<()>> {
        let mut under_way = lock(&self.under_way);
        under_way.retain(|_, receiver| receiver.has_changed().is_ok());
        if let Some(receiver) = under_way.get(idempotency_key) {
            return Err(receiver.clone());
        }
        let (sender, receiver) = watch::channel(());
        under_way.insert(idempotency_key.to_owned(), receiver);
        Ok(Pass {
            pool: self.clone(),
            idempotency_key: idempotency_key.to_owned(),
            _done: sender,
        })
    }

    /// Whether no signatures are left or in progress.
    pub fn is_used_up(&self) -> bool {
        lock(&self.signed).is_used_up(self.limits)
    }

    /// Whether no HSM is open and nothing was signed.
    pub(super) fn is_unused(&self) -> bool {
        lock(&self.leases).is_empty() && lock(&self.signed).reserved == 0
    }

    /// Number of signatures that can still be requested.
    pub fn left(&self) -> u32 {
        self.limits
            .signatures
            .saturating_sub(lock(&self.signed).reserved)
    }

    /// Whether a signature was ever reserved under this idempotency key. If not, the database cannot hold one.
    pub fn has_reserved(&self, idempotency_key: &str) -> bool {
        lock(&self.signed).keys.contains(idempotency_key)
    }

    /// Counts a recorded signature. Returns how the lease ends if this was the last one.
    ///
    /// A manifest is complete when every file is signed. If the limit exceeds the number of files, the requester wants several
    /// signatures per file, so the lease stays open until the limit is reached.
    fn note(&self, digest: &[u8]) -> Option<EndReason> {
        let mut signed = lock(&self.signed);
        signed.count += 1;
        signed.digests.insert(digest.to_vec());
        let used_up = signed.is_used_up(self.limits);
        match &self.scope {
            ApprovedScope::Files(files) => {
                let all = files
                    .keys()
                    .all(|digest| signed.digests.contains(digest.as_bytes()));
                let more =
                    usize::try_from(self.limits.signatures).is_ok_and(|limit| limit > files.len());
                match (all, used_up) {
                    (true, used_up) if used_up || !more => Some(EndReason::Completed),
                    (false, true) => Some(EndReason::SignatureLimitReached),
                    _ => None,
                }
            }
            ApprovedScope::Anything { .. } | ApprovedScope::GenerateKey { .. } => {
                used_up.then_some(EndReason::SignatureLimitReached)
            }
        }
    }
}

/// The exclusive right to work on an idempotency key: until it is dropped, other requests with this key wait.
pub struct Pass {
    pool: Arc<LeasePool>,
    idempotency_key: String,
    _done: watch::Sender<()>,
}

impl Pass {
    pub fn pool(&self) -> &Arc<LeasePool> {
        &self.pool
    }

    /// Whether a signature was reserved under this key before. If not, the database cannot hold one.
    pub fn was_reserved(&self) -> bool {
        self.pool.has_reserved(&self.idempotency_key)
    }

    /// Counts a signature before it is created, so that two requests cannot both get the last one. `None` means that no
    /// signatures are left.
    pub fn reserve(&self) -> Option<Reservation> {
        let mut signed = lock(&self.pool.signed);
        (signed.reserved < self.pool.limits.signatures).then(|| {
            signed.reserved += 1;
            signed.keys.insert(self.idempotency_key.clone());
            Reservation {
                pool: self.pool.clone(),
                counts: false,
            }
        })
    }
}

/// A signature that is counted but not created yet. Dropping it releases the count, so it must only be dropped if no HSM can have
/// created the signature.
#[must_use]
pub struct Reservation {
    pool: Arc<LeasePool>,
    /// Whether the signature stays counted when this is dropped.
    counts: bool,
}

impl Reservation {
    /// Notes that an HSM may have created a signature that no client received. Returns the reservation if another HSM may use it
    /// again. It may for listed files, because a second signature of an approved file does no harm. It may not if any content can
    /// be signed, because then each signature counts.
    pub fn outcome_unknown(mut self) -> Option<Self> {
        self.counts = true;
        if matches!(self.pool.scope, ApprovedScope::Files(_)) {
            return Some(self);
        }
        lock(&self.pool.signed).lost += 1;
        None
    }

    /// Notes that the signature is recorded. Returns how the lease ends if this was the last one.
    pub fn made(mut self, digest: &[u8]) -> Option<EndReason> {
        self.counts = true;
        self.pool.note(digest)
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if !self.counts {
            let mut signed = lock(&self.pool.signed);
            signed.reserved = signed.reserved.saturating_sub(1);
        }
    }
}
