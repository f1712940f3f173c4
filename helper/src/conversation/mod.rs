//! Handles the requests of one connected page. Everything here blocks and runs on its own thread.

mod approve;
mod enrol;
mod log_in;
mod sign_act;
mod unlock;

use std::{sync::Arc, time::Instant};

use countersign_protocol::{
    dsse::Envelope,
    helper::{Answer, HELPER_PROTOCOL, HelperError, Operation, Step},
};

use crate::{
    advice,
    consent::{Consent, ConsentSubject},
    helper::Helper,
    origin::Origin,
    prompt::{Deadline, PromptGuard},
    task::CheckedTask,
};
use approve::ApprovalSession;
pub(crate) use enrol::check_new_key;
pub(crate) use unlock::unlock;

/// The connection of one allowed page.
pub struct Conversation {
    helper: Arc<Helper>,
    origin: Origin,
    greeted: bool,
    approval_session: Option<ApprovalSession>,
}

/// The party that waits for the answer to a request.
pub struct Caller {
    deadline: Deadline,
    report: Box<dyn Fn(Step) + Send>,
}

impl Caller {
    /// `report` receives every step of the request.
    pub fn new(deadline: Deadline, report: Box<dyn Fn(Step) + Send>) -> Self {
        Self { deadline, report }
    }

    pub(crate) fn deadline(&self) -> &Deadline {
        &self.deadline
    }

    fn step(&self, step: Step) {
        (self.report)(step);
    }
}

impl Conversation {
    pub fn new(helper: Arc<Helper>, origin: Origin) -> Self {
        Self {
            helper,
            origin,
            greeted: false,
            approval_session: None,
        }
    }

    /// Handles one request.
    ///
    /// # Errors
    /// The message is written for the user.
    pub fn answer(&mut self, operation: Operation, caller: &Caller) -> Result<Answer, HelperError> {
        if !self.greeted && !matches!(operation, Operation::Hello { .. }) {
            return Err(advice::version_mismatch());
        }
        self.end_unneeded_session(&operation);
        match operation {
            Operation::Hello { protocol } => self.hello(protocol),
            Operation::ListCards => Ok(Answer::Cards {
                readers: self.helper.cards.list(),
            }),
            Operation::LogIn { task, key } => self.log_in(&task, &key, caller),
            Operation::Enrol { task, card, key } => self.enrol(&task, &card, key, caller),
            Operation::SignAct { task } => self.sign_act(&task, caller),
            Operation::Approve { task } => self.approve(&task, caller),
            Operation::ApproveAgain { task } => self.approve_again(&task, caller),
            Operation::Finish => {
                self.end_session();
                Ok(Answer::Finished)
            }
        }
    }

    /// Whether the page has said hello in this protocol's version.
    pub fn is_greeted(&self) -> bool {
        self.greeted
    }

    /// When the open PIN session must end.
    pub fn session_ends(&self) -> Option<Instant> {
        self.approval_session.as_ref().map(ApprovalSession::until)
    }

    /// Ends the PIN session: the card is logged out and released.
    pub fn end_session(&mut self) {
        self.approval_session = None;
    }

    /// Ends the PIN session if it has expired, or if the operation needs the card for anything but the same approval.
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
            return Err(advice::version_mismatch());
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
            .check(envelope, &self.origin, &self.helper.origins)
    }

    fn acquire_prompt(&self) -> Result<PromptGuard<'_>, HelperError> {
        self.helper.prompts.try_acquire().ok_or_else(advice::busy)
    }

    /// Shows a consent. The first consent pins the server's key; without consent the task can't be used again.
    fn obtain_consent<T: ConsentSubject>(
        &self,
        subject: T,
        task: &CheckedTask,
        prompt: &PromptGuard<'_>,
        caller: &Caller,
    ) -> Result<Consent<T>, HelperError> {
        if !self.helper.within_rate_limit(&self.origin) {
            return Err(advice::rate_limited());
        }
        caller.step(Step::WaitingForConsent);
        let consent = Consent::obtain(subject, prompt, &caller.deadline).inspect_err(|_| {
            self.helper.tasks.mark_answered(task);
            self.helper.note_cancelled(&self.origin);
        })?;
        if task.server.first_contact {
            self.helper
                .origins
                .pin(&self.origin, &task.server.key)
                .map_err(advice::internal)?;
        }
        Ok(consent)
    }
}

/// The task that the server signed is of another kind than the page's operation.
fn wrong_kind() -> HelperError {
    advice::task_refused("The page and the server's signed request differ.")
}
