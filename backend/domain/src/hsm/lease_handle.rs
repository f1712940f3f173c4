//! A lease as the HSM's thread sees it.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

/// The right to use an HSM's keys, until it is revoked. Clones are the same lease.
#[derive(Clone, Debug, Default)]
pub struct LeaseHandle(Arc<AtomicBool>);

impl LeaseHandle {
    /// Stops every further signature under this lease, including those that wait for the thread already.
    pub fn revoke(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    pub fn is_revoked(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }

    /// Whether both handles are the same lease.
    pub fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}
