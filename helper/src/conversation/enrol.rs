//! Enrols an existing key of a card, or a new one.

use countersign_protocol::{
    cvc::{Chr, DeviceId},
    dsse::Envelope,
    helper::{Answer, EnrolKey, HelperError, Step},
    limits,
    task::Task,
    text,
};

use super::{Caller, Conversation, wrong_kind};
use crate::{
    advice,
    consent::{EnrolmentRequest, KeyChoice},
    prompt::PinPurpose,
};

impl Conversation {
    pub(super) fn enrol(
        &self,
        envelope: &Envelope,
        card: &DeviceId,
        key: EnrolKey,
        caller: &Caller,
    ) -> Result<Answer, HelperError> {
        let task = self.check(envelope)?;
        let Task::Enrol {
            invitation,
            person,
            roles,
            nonce,
        } = task.task.clone()
        else {
            return Err(wrong_kind());
        };
        let found = self.helper.cards.find_card(card)?;
        let choice = match key {
            EnrolKey::Existing { fingerprint } => {
                let key = found.key(&fingerprint)?;
                key.check_suitable()?;
                KeyChoice::Existing(key.signer())
            }
            EnrolKey::Generate { label, chr } => {
                let (label, chr) = check_new_key(&label, &chr)?;
                KeyChoice::Generate { label, chr }
            }
        };
        let request = EnrolmentRequest {
            server: task.server.clone(),
            invitation,
            person,
            roles,
            nonce,
            card: card.clone(),
            card_label: found.label.clone(),
            key: choice,
        };
        let prompt = self.acquire_prompt()?;
        let consent = self.obtain_consent(request, &task, &prompt, caller)?;
        let purpose = PinPurpose {
            action: "Enrol",
            text: format!("Enrol a key at {}", self.origin),
        };
        let mut session = self.unlock(&found, purpose, &prompt, caller)?;
        let (pka, statement) = session.enrol(consent, &|step: Step| caller.step(step))?;
        self.helper.tasks.mark_answered(&task);
        Ok(Answer::Enrolled {
            pka: pka.into(),
            statement,
        })
    }
}

/// Checks the label and key ID of a new key.
pub(crate) fn check_new_key(label: &str, chr: &Chr) -> Result<(String, Chr), HelperError> {
    let label = label.trim();
    text::check_name(label, limits::KEY_LABEL)
        .map_err(|why| advice::invalid(format!("The key's label {why}. Choose another label.")))?;
    // `Chr` accepts names that exist on cards; new names follow the stricter rules of `parse_new`.
    let chr = Chr::parse_new(chr.as_str()).map_err(advice::invalid)?;
    Ok((label.to_owned(), chr))
}
