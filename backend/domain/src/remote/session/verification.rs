//! Whether the device of a session has proven its key, and how far it has come.

use std::{
    sync::atomic::{AtomicBool, AtomicU32, Ordering},
    time::{Duration, Instant},
};

use super::RamSession;

/// Time in which a device must prove its key. A stranger that answers slowly would otherwise keep a thread for days.
const LONGEST: Duration = Duration::from_secs(120);

pub(super) struct Verification {
    begun: Instant,
    done: AtomicBool,
    answers: AtomicU32,
}

impl Verification {
    pub fn begin() -> Self {
        Self {
            begun: Instant::now(),
            done: AtomicBool::new(false),
            answers: AtomicU32::new(0),
        }
    }

    /// The time by which an answer must come, if it is expected by `deadline`.
    pub fn limit(&self, deadline: Instant) -> Instant {
        if self.done.load(Ordering::Relaxed) {
            deadline
        } else {
            deadline.min(self.begun + LONGEST)
        }
    }
}

impl RamSession {
    /// Notes that the device has proven its key, so that the session does not give way to others.
    pub fn mark_verified(&self) {
        self.verification.done.store(true, Ordering::Relaxed);
    }

    /// Notes that the client has answered.
    pub(crate) fn note_answer(&self) {
        self.verification.answers.fetch_add(1, Ordering::Relaxed);
    }

    pub fn is_verified(&self) -> bool {
        self.verification.done.load(Ordering::Relaxed)
    }

    /// Number of answers so far. The session with the fewest gives way first.
    pub fn answers(&self) -> u32 {
        self.verification.answers.load(Ordering::Relaxed)
    }
}
