//! Whether the device of a session has proven its key, and how far it has come.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use super::RamSession;

#[derive(Default)]
pub(super) struct Verification {
    done: AtomicBool,
    answers: AtomicU32,
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
