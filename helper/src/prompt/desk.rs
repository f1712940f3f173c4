//! One prompt at a time, whoever asks.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use countersign_card::Pin;

use super::{AttachQuestion, ConsentText, OriginAnswer, Patience, PinRequest, Prompt, PromptError};
use crate::origin::Origin;

/// No question is open for longer.
const LIMIT: Duration = Duration::from_secs(5 * 60);

/// A notice goes away by itself: other questions wait for it.
const NOTICE: Duration = Duration::from_secs(60);

/// The only place where prompts are opened.
pub struct PromptDesk {
    prompt: Arc<dyn Prompt>,
    taken: AtomicBool,
}

/// The right to open prompts; given back when dropped.
pub struct Seat<'a>(&'a PromptDesk);

impl PromptDesk {
    /// A desk with this kind of prompts.
    pub fn new(prompt: Arc<dyn Prompt>) -> Self {
        Self {
            prompt,
            taken: AtomicBool::new(false),
        }
    }

    /// Takes the seat; `None`: another question is open.
    pub fn sit(&self) -> Option<Seat<'_>> {
        let free = self
            .taken
            .compare_exchange(false, true, Ordering::SeqCst, Ordering::SeqCst);
        free.is_ok().then_some(Seat(self))
    }
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        self.0.taken.store(false, Ordering::SeqCst);
    }
}

impl Seat<'_> {
    /// [`Prompt::allow_origin`]; what is answered too late is a no.
    pub fn allow_origin(&self, origin: &Origin, patience: &Patience) -> OriginAnswer {
        let patience = patience.renewed(LIMIT);
        let answer = self.0.prompt.allow_origin(origin, &patience);
        if patience.is_over() {
            OriginAnswer::No
        } else {
            answer
        }
    }

    /// [`Prompt::allow_attaching`]; what is answered too late is a no.
    pub fn allow_attaching(&self, question: &AttachQuestion, patience: &Patience) -> OriginAnswer {
        let patience = patience.renewed(LIMIT);
        let answer = self.0.prompt.allow_attaching(question, &patience);
        if patience.is_over() {
            OriginAnswer::No
        } else {
            answer
        }
    }

    /// [`Prompt::notice`].
    pub fn notice(&self, text: &str) {
        self.0.prompt.notice(text, &Patience::lasting(NOTICE));
    }

    /// [`Prompt::consent`]; a yes that comes too late is none.
    ///
    /// # Errors
    /// [`PromptError`]
    pub fn consent(&self, text: &ConsentText, patience: &Patience) -> Result<bool, PromptError> {
        let patience = patience.renewed(LIMIT);
        match self.0.prompt.consent(text, &patience)? {
            true if patience.is_over() => Err(PromptError::Unanswered),
            agreed => Ok(agreed),
        }
    }

    /// [`Prompt::pin`]; what is typed too late is dropped.
    ///
    /// # Errors
    /// [`PromptError`]
    pub fn pin(
        &self,
        request: &PinRequest,
        patience: &Patience,
    ) -> Result<Option<Pin>, PromptError> {
        let patience = patience.renewed(LIMIT);
        match self.0.prompt.pin(request, &patience)? {
            Some(_) if patience.is_over() => Err(PromptError::Unanswered),
            pin => Ok(pin),
        }
    }
}
