//! The leases of all open activations. They exist in memory only, so a restart ends all of them.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use countersign_protocol::{
    activation::ActivationTerms,
    id::{ActivationId, MemberId},
    lease::LeaseLimits,
};

use super::{ApprovedScope, Lease, LeasePool};
use crate::clock::Clock;

/// Open leases by activation. Clones share one map.
#[derive(Clone, Default)]
pub struct OpenLeases(Arc<Mutex<HashMap<ActivationId, Arc<LeasePool>>>>);

impl OpenLeases {
    /// The leases of an activation that is open, or that was open on one HSM and waits for another.
    pub fn pool(&self, id: &ActivationId) -> Option<Arc<LeasePool>> {
        self.all().get(id).cloned()
    }

    /// The open lease of an activation on one of its HSMs.
    pub fn lease(&self, id: &MemberId) -> Option<Arc<Lease>> {
        self.pool(&id.activation())?.member(id)
    }

    pub fn open(&self) -> Vec<Arc<Lease>> {
        let all = self.all();
        all.values().flat_map(|pool| pool.open()).collect()
    }

    /// The leases of an activation. Creates an empty pool if no HSM was opened for it yet.
    pub(super) fn pool_for(
        &self,
        terms: &ActivationTerms,
        scope: &ApprovedScope,
        limits: LeaseLimits,
        clock: &Clock,
    ) -> Arc<LeasePool> {
        let new = || {
            Arc::new(LeasePool::new(
                terms.clone(),
                scope.clone(),
                limits,
                clock.clone(),
            ))
        };
        let mut all = self.all();
        all.entry(terms.id.activation()).or_insert_with(new).clone()
    }

    pub(super) fn remove(&self, id: &ActivationId) {
        self.all().remove(id);
    }

    fn all(&self) -> MutexGuard<'_, HashMap<ActivationId, Arc<LeasePool>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
