//! How long a prompt may stay open.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

/// A deadline that can also be cancelled, for example because the page was closed.
#[derive(Clone, Debug)]
pub struct Deadline {
    at: Option<Instant>,
    cancelled: Arc<AtomicBool>,
}

impl Deadline {
    pub fn minutes(minutes: u64) -> Self {
        Self::after(Duration::from_secs(60 * minutes))
    }

    /// A deadline at this time from now.
    pub fn after(duration: Duration) -> Self {
        Self::unlimited().with_timeout(duration)
    }

    /// A deadline that expires only when it is cancelled.
    pub fn unlimited() -> Self {
        Self {
            at: None,
            cancelled: Arc::default(),
        }
    }

    /// Expires this deadline and all its copies at once.
    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::SeqCst);
    }

    /// Whether the deadline has passed or was cancelled.
    pub fn is_expired(&self) -> bool {
        self.is_cancelled() || self.at.is_some_and(|at| Instant::now() >= at)
    }

    pub fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::SeqCst)
    }

    /// A copy that shares the cancellation but has its own time, because each prompt has its own time limit.
    pub fn with_timeout(&self, duration: Duration) -> Self {
        Self {
            at: Some(Instant::now() + duration),
            cancelled: self.cancelled.clone(),
        }
    }
}

/// Cancels the deadline on drop, because the future that waited for the answer was dropped.
pub(crate) struct CancelOnDrop(pub(crate) Deadline);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}
