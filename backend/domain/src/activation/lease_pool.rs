//! What may be signed under an activation, on however many HSMs: the bounds are those of all together.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::Instant,
};

use countersign_protocol::{
    Timestamp,
    activation::{ActivationTerms, EndReason},
    file_digest::FileDigest,
    id::ActivationId,
    lease::LeaseLimits,
    mechanism::{Hash, Mechanism},
};
use tokio::sync::watch;

use super::{
    ApprovedScope, Lease,
    lease::{Entered, Turn},
};

/// The leases of one activation: one for every HSM that was opened for it.
pub struct LeasePool {
    /// What was asked for, of the HSM that was opened first.
    pub terms: ActivationTerms,
    /// What may be signed.
    scope: ApprovedScope,
    /// For how long, and how often.
    limits: LeaseLimits,
    /// When everything is over; set by the first HSM that opens.
    until: OnceLock<(Instant, Timestamp)>,
    leases: Mutex<Vec<Arc<Lease>>>,
    /// Idempotency keys under way. Whoever repeats one waits until the sender is gone.
    under_way: Mutex<HashMap<String, watch::Receiver<()>>>,
    signed: Mutex<Signed>,
}

#[derive(Default)]
struct Signed {
    /// Made, perhaps made, or being made. Leases never survive a restart, so nothing else has to be counted.
    reserved: u32,
    /// Of these, perhaps made: nobody has them.
    lost: u32,
    /// Their idempotency keys.
    keys: HashSet<String>,
    count: u32,
    /// Digests, as bytes: no two hash functions make one of the same length.
    digests: HashSet<Vec<u8>>,
}

impl Signed {
    /// Whether nothing is left, and nothing under way.
    fn is_used_up(&self, limits: LeaseLimits) -> bool {
        self.count + self.lost >= limits.signatures
    }
}

/// Why the lease does not cover a signature.
#[derive(Debug, PartialEq, Eq)]
pub enum NotCovered {
    /// The digest was not approved.
    Digest,
    /// From this mechanism's input nobody could tell which file it is: none was approved by a digest of this hash function.
    Mechanism,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl LeasePool {
    pub(super) fn new(terms: ActivationTerms, scope: ApprovedScope, limits: LeaseLimits) -> Self {
        Self {
            terms,
            scope,
            limits,
            until: OnceLock::new(),
            leases: Mutex::default(),
            under_way: Mutex::default(),
            signed: Mutex::default(),
        }
    }

    /// Whether another quorum has allowed the same.
    pub(super) fn is(&self, scope: &ApprovedScope, limits: LeaseLimits) -> bool {
        self.scope == *scope && self.limits == limits
    }

    /// When it is over, for whoever opens now.
    pub(super) fn until(&self) -> (Instant, Timestamp) {
        *self.until.get_or_init(|| {
            let seconds = self.limits.seconds;
            (
                Instant::now() + std::time::Duration::from_secs(seconds.into()),
                Timestamp::now() + jiff::SignedDuration::from_secs(seconds.into()),
            )
        })
    }

    /// When it is over, once an HSM was opened.
    pub(super) fn ends_at(&self) -> Option<Timestamp> {
        self.until.get().map(|(_, until)| *until)
    }

    /// Whether an HSM was opened, and the time since is used up.
    pub(super) fn is_over(&self) -> bool {
        let over = |(deadline, _): &(Instant, Timestamp)| *deadline <= Instant::now();
        self.until.get().is_some_and(over)
    }

    pub(super) fn add(&self, lease: Arc<Lease>) {
        lock(&self.leases).push(lease);
    }

    pub(super) fn remove(&self, member: &ActivationId) {
        lock(&self.leases).retain(|lease| lease.terms.id != *member);
    }

    /// The lease of one HSM.
    pub fn member(&self, id: &ActivationId) -> Option<Arc<Lease>> {
        let leases = lock(&self.leases);
        leases.iter().find(|lease| lease.terms.id == *id).cloned()
    }

    /// Those whose end is not stored yet.
    pub fn members(&self) -> Vec<Arc<Lease>> {
        lock(&self.leases).clone()
    }

    /// Those that are open.
    pub fn open(&self) -> Vec<Arc<Lease>> {
        let leases = lock(&self.leases);
        let open = leases.iter().filter(|lease| !lease.handle.is_revoked());
        open.cloned().collect()
    }

    /// What the quorum allowed.
    pub fn scope(&self) -> &ApprovedScope {
        &self.scope
    }

    /// Goes in where the fewest wait, and of those where the least was done, but not where it was tried already. `None`: no HSM is open.
    pub async fn enter(&self, tried: &[ActivationId]) -> Option<Entered> {
        while let Some((lease, turn)) = self.shortest(tried) {
            if let Some(entered) = lease.enter(turn).await {
                return Some(entered);
            }
        }
        None
    }

    fn shortest(&self, tried: &[ActivationId]) -> Option<(Arc<Lease>, Turn)> {
        let leases = lock(&self.leases);
        let open = leases
            .iter()
            .filter(|lease| !lease.handle.is_revoked() && !tried.contains(&lease.terms.id));
        let lease = open.min_by_key(|lease| lease.load())?.clone();
        // Under the lock: the next one sees it.
        let turn = lease.queue();
        Some((lease, turn))
    }

    /// Whether the quorum approved this, and under which file name.
    ///
    /// # Errors
    /// [`NotCovered`].
    pub fn covers(
        &self,
        mechanism: Mechanism,
        digest: &[u8],
    ) -> Result<Option<String>, NotCovered> {
        match &self.scope {
            ApprovedScope::Anything => Ok(None),
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
    /// Another request with this key is under way: the channel closes when it is done.
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

    /// Whether nothing is left to be signed, and nothing under way.
    pub fn is_used_up(&self) -> bool {
        lock(&self.signed).is_used_up(self.limits)
    }

    /// Whether no HSM is open, and nothing was signed.
    pub(super) fn is_unused(&self) -> bool {
        lock(&self.leases).is_empty() && lock(&self.signed).reserved == 0
    }

    /// Signatures that may still be asked for.
    pub fn left(&self) -> u32 {
        self.limits
            .signatures
            .saturating_sub(lock(&self.signed).reserved)
    }

    /// Whether something was reserved under this idempotency key: what never was is in no record.
    pub fn has_reserved(&self, idempotency_key: &str) -> bool {
        lock(&self.signed).keys.contains(idempotency_key)
    }

    /// Notes a recorded signature; returns how the lease ends, if this was the last one.
    ///
    /// A manifest is complete when every file has been signed; a limit above the number of files asks for more than one
    /// signature per file, and is used up first.
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
                    (false, true) => Some(EndReason::CountUsed),
                    _ => None,
                }
            }
            ApprovedScope::Anything | ApprovedScope::GenerateKey { .. } => {
                used_up.then_some(EndReason::CountUsed)
            }
        }
    }
}

/// Work on one idempotency key: no other request with this key begins while it lives.
pub struct Pass {
    pool: Arc<LeasePool>,
    idempotency_key: String,
    _done: watch::Sender<()>,
}

impl Pass {
    pub fn pool(&self) -> &Arc<LeasePool> {
        &self.pool
    }

    /// Whether a signature was reserved under this key before. A key that never was is in no record.
    pub fn was_reserved(&self) -> bool {
        self.pool.has_reserved(&self.idempotency_key)
    }

    /// Counts a signature before it is made, so that no two requests get the last one. `None`: the lease's signatures are used up.
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

/// A signature that is counted and not made yet. Dropped, it is released: no card has made anything.
#[must_use]
pub struct Reservation {
    pool: Arc<LeasePool>,
    /// Whether it counts although it is dropped.
    counts: bool,
}

impl Reservation {
    /// A card may have made a signature that no client gets. Returns what is left for the same signature by another HSM: one more
    /// signature of an approved file adds nothing new, but where any content may be signed, each one counts.
    pub fn outcome_unknown(mut self) -> Option<Self> {
        self.counts = true;
        if matches!(self.pool.scope, ApprovedScope::Files(_)) {
            return Some(self);
        }
        lock(&self.pool.signed).lost += 1;
        None
    }

    /// The signature is recorded. Returns how the lease ends, if this was the last one.
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
