//! Opens prompts, one at a time.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use countersign_card::Pin;

use super::{AttachQuestion, ConsentText, Deadline, OriginAnswer, PinRequest, Prompt, PromptError};
use crate::origin::Origin;

/// The longest time that a prompt stays open.
const LIMIT: Duration = Duration::from_secs(5 * 60);

/// A notice closes earlier, because other prompts wait for it.
const NOTICE_LIMIT: Duration = Duration::from_secs(60);

/// The only place that opens prompts.
pub struct Prompts {
    prompt: Arc<dyn Prompt>,
    in_use: AtomicBool,
}

/// The right to open prompts, released on drop.
pub struct PromptGuard<'a>(&'a Prompts);

impl Prompts {
    pub fn new(prompt: Arc<dyn Prompt>) -> Self {
        Self {
            prompt,
            in_use: AtomicBool::new(false),
        }
    }

    /// Acquires the right to open prompts. Returns `None` if another prompt is open.
    pub fn try_acquire(&self) -> Option<PromptGuard<'_>> {
        let free = self
            .in_use
            .compare_exchange(false, true, Ordering::SeqCst, Ordering::SeqCst);
        free.is_ok().then_some(PromptGuard(self))
    }
}

impl Drop for PromptGuard<'_> {
    fn drop(&mut self) {
        self.0.in_use.store(false, Ordering::SeqCst);
    }
}

impl PromptGuard<'_> {
    /// Calls [`Prompt::allow_origin`]. An answer after the deadline counts as no.
    pub fn allow_origin(&self, origin: &Origin, deadline: &Deadline) -> OriginAnswer {
        let deadline = deadline.with_timeout(LIMIT);
        let answer = self.0.prompt.allow_origin(origin, &deadline);
        if deadline.is_expired() {
            OriginAnswer::No
        } else {
            answer
        }
    }

    /// Calls [`Prompt::allow_attaching`]. An answer after the deadline counts as no.
    pub fn allow_attaching(&self, question: &AttachQuestion, deadline: &Deadline) -> OriginAnswer {
        let deadline = deadline.with_timeout(LIMIT);
        let answer = self.0.prompt.allow_attaching(question, &deadline);
        if deadline.is_expired() {
            OriginAnswer::No
        } else {
            answer
        }
    }

    /// Calls [`Prompt::notice`].
    pub fn notice(&self, text: &str) {
        self.0.prompt.notice(text, &Deadline::after(NOTICE_LIMIT));
    }

    /// Calls [`Prompt::consent`].
    ///
    /// # Errors
    /// The user did not answer, or consented only after the deadline.
    pub fn consent(&self, text: &ConsentText, deadline: &Deadline) -> Result<bool, PromptError> {
        let deadline = deadline.with_timeout(LIMIT);
        match self.0.prompt.consent(text, &deadline)? {
            true if deadline.is_expired() => Err(PromptError::Unanswered),
            consented => Ok(consented),
        }
    }

    /// Calls [`Prompt::pin`].
    ///
    /// # Errors
    /// The user did not answer, or entered the PIN only after the deadline.
    pub fn pin(
        &self,
        request: &PinRequest,
        deadline: &Deadline,
    ) -> Result<Option<Pin>, PromptError> {
        let deadline = deadline.with_timeout(LIMIT);
        match self.0.prompt.pin(request, &deadline)? {
            Some(_) if deadline.is_expired() => Err(PromptError::Unanswered),
            pin => Ok(pin),
        }
    }
}
