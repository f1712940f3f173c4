//! An open lease: what may be signed, and by which key.

use std::{
    collections::{HashMap, HashSet},
    sync::{Mutex, MutexGuard, PoisonError},
};

use countersign_protocol::{
    activation::{ActivationTerms, EndReason},
    cvc::{Fingerprint, PublicKey},
    digest::Sha256Digest,
    lease::LeaseLimits,
    mechanism::{Hash, Mechanism},
};
use tokio::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard, watch};

use super::ApprovedScope;
use crate::hsm::{Hsm, LeaseHandle};

/// An open lease. Only the desk makes one, out of the custodians' signed approvals.
pub struct Lease {
    /// What was asked for.
    pub terms: ActivationTerms,
    /// The HSM.
    pub hsm: Hsm,
    /// The lease as the HSM's thread knows it.
    pub handle: LeaseHandle,
    /// The keys that may be used.
    keys: Vec<LeaseKey>,
    /// What may be signed.
    scope: ApprovedScope,
    /// For how long, and how often.
    limits: LeaseLimits,
    /// Held while something is signed and recorded.
    busy: RwLock<()>,
    /// Idempotency keys under way. Whoever repeats one waits until the sender is gone.
    under_way: Mutex<HashMap<String, watch::Receiver<()>>>,
    signed: Mutex<Signed>,
    /// Set when the end is stored.
    closed: watch::Sender<bool>,
}

#[derive(Default)]
struct Signed {
    /// Made, or being made. Leases never survive a restart, so nothing else has to be counted.
    reserved: u32,
    /// Their idempotency keys.
    keys: HashSet<String>,
    count: u32,
    digests: HashSet<Sha256Digest>,
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

/// Why the lease does not cover a signature.
#[derive(Debug, PartialEq, Eq)]
pub enum NotCovered {
    /// The digest was not approved.
    Digest,
    /// From this mechanism's input nobody could tell which file it is.
    Mechanism,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Lease {
    pub(super) fn new(
        terms: ActivationTerms,
        hsm: Hsm,
        keys: Vec<LeaseKey>,
        scope: ApprovedScope,
        limits: LeaseLimits,
    ) -> Self {
        Self {
            terms,
            hsm,
            handle: LeaseHandle::default(),
            keys,
            scope,
            limits,
            busy: RwLock::new(()),
            under_way: Mutex::default(),
            signed: Mutex::default(),
            closed: watch::Sender::new(false),
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

    /// Bounds.
    pub fn limits(&self) -> LeaseLimits {
        self.limits
    }

    /// What the quorum allowed.
    pub fn scope(&self) -> &ApprovedScope {
        &self.scope
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

    /// The end is stored.
    pub(super) fn close(&self) {
        self.closed.send_replace(true);
    }

    /// Waits until the end of a revoked lease is stored.
    pub async fn closed(&self) {
        // The sender lives as long as the lease.
        let _ = self.closed.subscribe().wait_for(|closed| *closed).await;
    }

    /// Held while something is signed and recorded; `None`: the lease is over.
    pub async fn enter(&self) -> Option<RwLockReadGuard<'_, ()>> {
        let guard = self.busy.read().await;
        (!self.handle.is_revoked()).then_some(guard)
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
            // Files are approved by their SHA-256.
            ApprovedScope::Files(_) if mechanism.hash() != Some(Hash::Sha256) => {
                Err(NotCovered::Mechanism)
            }
            ApprovedScope::Files(files) => digest
                .try_into()
                .ok()
                .and_then(|digest| files.get(&Sha256Digest(digest)))
                .map(|name| Some(name.clone()))
                .ok_or(NotCovered::Digest),
        }
    }

    /// Begins work for an idempotency key: the sender's end means that it is done. `Err`: somebody else is at it; wait.
    ///
    /// # Errors
    /// What to wait for.
    pub fn begin(&self, idempotency_key: &str) -> Result<watch::Sender<()>, watch::Receiver<()>> {
        let mut under_way = lock(&self.under_way);
        under_way.retain(|_, receiver| receiver.has_changed().is_ok());
        if let Some(receiver) = under_way.get(idempotency_key) {
            return Err(receiver.clone());
        }
        let (sender, receiver) = watch::channel(());
        under_way.insert(idempotency_key.to_owned(), receiver);
        Ok(sender)
    }

    /// Counts a signature before it is made: no two requests get the last one. `false`: there is none left.
    #[must_use]
    pub fn reserve(&self, idempotency_key: &str) -> bool {
        let mut signed = lock(&self.signed);
        let left = signed.reserved < self.limits.signatures;
        if left {
            signed.reserved += 1;
            signed.keys.insert(idempotency_key.to_owned());
        }
        left
    }

    /// The card said that it made nothing, or was not even asked.
    pub fn release(&self) {
        let mut signed = lock(&self.signed);
        signed.reserved = signed.reserved.saturating_sub(1);
    }

    /// Whether something was reserved under this idempotency key: what never was is in no record.
    pub fn has_reserved(&self, idempotency_key: &str) -> bool {
        lock(&self.signed).keys.contains(idempotency_key)
    }

    /// Notes a recorded signature; returns how the lease ends, if this was the last one.
    ///
    /// A manifest is complete when every file has been signed; a limit above the number of files asks for more than one
    /// signature per file, and is used up first.
    pub fn note(&self, digest: &[u8]) -> Option<EndReason> {
        let mut signed = lock(&self.signed);
        signed.count += 1;
        if let Ok(digest) = digest.try_into() {
            signed.digests.insert(Sha256Digest(digest));
        }
        let used_up = signed.count >= self.limits.signatures;
        match &self.scope {
            ApprovedScope::Files(files) => {
                let all = files.keys().all(|digest| signed.digests.contains(digest));
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
