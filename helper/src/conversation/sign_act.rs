//! Signs an act.

use countersign_protocol::{
    Timestamp,
    dsse::Envelope,
    helper::{Answer, HelperError, Step},
    task::Task,
};

use super::{Caller, Conversation, wrong_kind};
use crate::{advice, consent::ActRequest, prompt::PinPurpose};

impl Conversation {
    pub(super) fn sign_act(
        &self,
        envelope: &Envelope,
        caller: &Caller,
    ) -> Result<Answer, HelperError> {
        let task = self.check(envelope)?;
        let Task::SignAct(act) = task.task.clone() else {
            return Err(wrong_kind());
        };
        if act.terms.expires_at <= Timestamp::now() {
            return Err(advice::task_refused("This act has expired."));
        }
        let found = self.helper.cards.find_key(&act.key, None)?;
        found.check_suitable()?;
        let request = ActRequest::new(task.server.clone(), *act, found.signer())?;
        let prompt = self.acquire_prompt()?;
        let consent = self.obtain_consent(request, &task, &prompt, caller)?;
        let purpose = PinPurpose {
            action: "Sign",
            text: consent.subject().summary(),
        };
        let mut session = self.unlock(&found.card, purpose, &prompt, caller)?;
        caller.step(Step::Signing);
        let statement = session.sign_act(consent)?;
        self.helper.tasks.mark_answered(&task);
        Ok(Answer::Statement { statement })
    }
}
