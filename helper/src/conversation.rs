//! One page's conversation: requests in, answers out. Everything here blocks and runs on a thread of its own.

mod approve;
mod enrol;
mod log_in;
mod unlock;

use std::{sync::Arc, time::Instant};

use countersign_protocol::{
    dsse::Envelope,
    helper::{Answer, HELPER_PROTOCOL, HelperError, Operation, Step},
};

use crate::{
    advice,
    consent::{Consent, Explained},
    helper::Helper,
    origin::Origin,
    prompt::{Patience, Seat},
    task::CheckedTask,
};
use approve::Held;
pub(crate) use enrol::check_new_key;
pub(crate) use unlock::unlock;

/// A page that was let in.
pub struct Conversation {
    helper: Arc<Helper>,
    origin: Origin,
    greeted: bool,
    held: Option<Held>,
}

/// Who waits for an answer.
pub struct Caller {
    patience: Patience,
    report: Box<dyn Fn(Step) + Send>,
}

impl Caller {
    /// A caller with this patience, told of every step.
    pub fn new(patience: Patience, report: Box<dyn Fn(Step) + Send>) -> Self {
        Self { patience, report }
    }

    pub(crate) fn patience(&self) -> &Patience {
        &self.patience
    }

    fn step(&self, step: Step) {
        (self.report)(step);
    }
}

impl Conversation {
    /// Begins with a page of `origin`.
    pub fn new(helper: Arc<Helper>, origin: Origin) -> Self {
        Self {
            helper,
            origin,
            greeted: false,
            held: None,
        }
    }

    /// Answers one request.
    ///
    /// # Errors
    /// [`HelperError`], written for the user.
    pub fn answer(&mut self, operation: Operation, caller: &Caller) -> Result<Answer, HelperError> {
        if !self.greeted && !matches!(operation, Operation::Hello { .. }) {
            return Err(advice::no_hello());
        }
        self.end_unneeded_session(&operation);
        match operation {
            Operation::Hello { protocol } => self.hello(protocol),
            Operation::ListCards => Ok(Answer::Cards {
                readers: self.helper.cards.list(),
            }),
            Operation::LogIn { task, key } => self.log_in(&task, &key, caller),
            Operation::Enrol { task, card, key } => self.enrol(&task, &card, key, caller),
            Operation::Approve { task } => self.approve(&task, caller),
            Operation::ApproveAgain { task } => self.approve_again(&task, caller),
            Operation::Finish => {
                self.end_session();
                Ok(Answer::Finished)
            }
        }
    }

    /// When the PIN session must be ended, if there is one.
    pub fn session_ends(&self) -> Option<Instant> {
        self.held.as_ref().map(Held::until)
    }

    /// Ends the PIN session: the card is logged out and let go.
    pub fn end_session(&mut self) {
        self.held = None;
    }

    /// Whatever needs the card for something else than the same approval ends the PIN session first.
    fn end_unneeded_session(&mut self, operation: &Operation) {
        let keeps = matches!(
            operation,
            Operation::ApproveAgain { .. } | Operation::ListCards | Operation::Hello { .. }
        );
        if !keeps
            || self
                .session_ends()
                .is_some_and(|until| until <= Instant::now())
        {
            self.end_session();
        }
    }

    fn hello(&mut self, protocol: u32) -> Result<Answer, HelperError> {
        if protocol != HELPER_PROTOCOL {
            return Err(advice::no_hello());
        }
        self.greeted = true;
        Ok(Answer::Hello {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            protocol: HELPER_PROTOCOL,
            demo: self.helper.demo,
        })
    }

    fn check(&self, envelope: &Envelope) -> Result<CheckedTask, HelperError> {
        self.helper
            .tasks
            .check(envelope, &self.origin, &self.helper.book)
    }

    fn sit(&self) -> Result<Seat<'_>, HelperError> {
        self.helper.prompts.sit().ok_or_else(advice::busy)
    }

    /// Shows a consent. The server's key is kept with the first yes; a no is final for this task.
    fn agree<T: Explained>(
        &self,
        what: T,
        task: &CheckedTask,
        seat: &Seat<'_>,
        caller: &Caller,
    ) -> Result<Consent<T>, HelperError> {
        if !self.helper.may_ask(&self.origin) {
            return Err(advice::too_many_questions());
        }
        caller.step(Step::WaitingForConsent);
        let consent = Consent::ask(what, seat, &caller.patience)
            .inspect_err(|_| self.helper.tasks.answered(task))?;
        if task.server.first_contact {
            self.helper
                .book
                .pin(&self.origin, &task.server.key)
                .map_err(advice::internal)?;
        }
        Ok(consent)
    }
}

/// A task of another kind than the request says.
fn wrong_kind() -> HelperError {
    advice::task_refused("The server's request is for something else than the page says.")
}
