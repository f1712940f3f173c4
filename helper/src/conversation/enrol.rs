//! Enrolling a key that is on a card, or a new one.

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
        let seat = self.sit()?;
        let consent = self.agree(request, &task, &seat, caller)?;
        let purpose = format!("Enrol a key at {}", self.origin);
        let mut session = self.unlock(&found, &purpose, &seat, caller)?;
        let (pka, statement) = session.enrol(consent, &|step: Step| caller.step(step))?;
        self.helper.tasks.answered(&task);
        Ok(Answer::Enrolled {
            pka: pka.into(),
            statement,
        })
    }
}

/// Label and name, if a new key may have them.
pub(crate) fn check_new_key(label: &str, chr: &Chr) -> Result<(String, Chr), HelperError> {
    let label = label.trim();
    text::check(label, limits::KEY_LABEL)
        .map_err(|why| advice::invalid(format!("The key's label {why}. Choose another label.")))?;
    // What a card may hold is wider than what a new name may be.
    let chr = Chr::parse_new(chr.as_str()).map_err(advice::invalid)?;
    Ok((label.to_owned(), chr))
}
