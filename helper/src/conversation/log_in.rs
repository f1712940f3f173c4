//! Logging in with a card.

use countersign_protocol::{
    cvc::Fingerprint,
    dsse::Envelope,
    helper::{Answer, HelperError, Step},
    task::Task,
};

use super::{Caller, Conversation, wrong_kind};
use crate::{consent::LoginRequest, prompt::PinPurpose};

impl Conversation {
    pub(super) fn log_in(
        &self,
        envelope: &Envelope,
        key: &Fingerprint,
        caller: &Caller,
    ) -> Result<Answer, HelperError> {
        let task = self.check(envelope)?;
        let Task::LogIn { nonce } = task.task.clone() else {
            return Err(wrong_kind());
        };
        let found = self.helper.cards.find_key(key, None)?;
        found.check_suitable()?;
        let request = LoginRequest {
            server: task.server.clone(),
            nonce,
            signer: found.signer(),
        };
        let prompt = self.acquire_prompt()?;
        let consent = self.obtain_consent(request, &task, &prompt, caller)?;
        let purpose = PinPurpose {
            action: "Log in",
            text: format!("Log in to {}", self.origin),
        };
        let mut session = self.unlock(&found.card, purpose, &prompt, caller)?;
        caller.step(Step::Signing);
        let statement = session.log_in(consent)?;
        self.helper.tasks.mark_answered(&task);
        Ok(Answer::Statement { statement })
    }
}
