//! How long a question may stay open.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

/// A deadline, and a way to call off: the page went away.
#[derive(Clone, Debug)]
pub struct Patience {
    deadline: Option<Instant>,
    cancelled: Arc<AtomicBool>,
}

impl Patience {
    /// Patience for so many minutes from now.
    pub fn minutes(minutes: u64) -> Self {
        Self::lasting(Duration::from_secs(60 * minutes))
    }

    /// Patience for this long from now.
    pub fn lasting(duration: Duration) -> Self {
        Self::unlimited().renewed(duration)
    }

    /// Patience that only a call-off ends.
    pub fn unlimited() -> Self {
        Self {
            deadline: None,
            cancelled: Arc::default(),
        }
    }

    /// Nobody waits for the answer any more.
    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::SeqCst);
    }

    /// Whether nobody waits any more, or it took too long.
    pub fn is_over(&self) -> bool {
        self.is_cancelled()
            || self
                .deadline
                .is_some_and(|deadline| Instant::now() >= deadline)
    }

    /// Whether nobody waits any more.
    pub fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::SeqCst)
    }

    /// The same call-off with a new deadline: each prompt has its own time.
    pub fn renewed(&self, duration: Duration) -> Self {
        Self {
            deadline: Some(Instant::now() + duration),
            cancelled: self.cancelled.clone(),
        }
    }
}

/// Calls off when dropped: the future that waited was dropped.
pub(crate) struct CancelOnDrop(pub(crate) Patience);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}
