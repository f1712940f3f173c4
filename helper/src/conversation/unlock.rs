//! Asks for the PIN and unlocks the card, with at most one PIN try.

use countersign_protocol::helper::{HelperError, PinState, Step};

use super::{Caller, Conversation};
use crate::{
    advice,
    cards::{CardReaders, FoundCard, PinSession},
    prompt::{ConsentText, PinPurpose, PinRequest, PromptGuard},
};

impl Conversation {
    pub(super) fn unlock(
        &self,
        card: &FoundCard,
        purpose: PinPurpose,
        prompt: &PromptGuard<'_>,
        caller: &Caller,
    ) -> Result<PinSession, HelperError> {
        unlock(&self.helper.cards, card, purpose, prompt, caller)
    }
}

/// Asks for the PIN and verifies it. The last try needs a consent of its own.
pub(crate) fn unlock(
    readers: &CardReaders,
    card: &FoundCard,
    purpose: PinPurpose,
    prompt: &PromptGuard<'_>,
    caller: &Caller,
) -> Result<PinSession, HelperError> {
    let tries = match card.pin {
        PinState::Ready { tries } => tries,
        PinState::Blocked => return Err(advice::pin_blocked()),
        PinState::NotSet => return Err(advice::pin_not_set()),
        PinState::Transport => return Err(advice::pin_transport()),
    };
    let (label, serial) = (card.label.clone(), card.device.id().serial());
    caller.step(Step::WaitingForPin);
    if tries == Some(1) {
        let confirmed = prompt.consent(&last_try(&label, serial), &caller.deadline);
        if !confirmed.map_err(advice::prompt_failed)? {
            return Err(advice::pin_cancelled());
        }
    }
    let request = PinRequest {
        purpose,
        card_label: label,
        card_serial: serial.to_owned(),
        tries,
    };
    let pin = prompt
        .pin(&request, &caller.deadline)
        .map_err(advice::prompt_failed)?
        .ok_or_else(advice::pin_cancelled)?;
    readers.unlock(card, &pin)
}

fn last_try(label: &str, serial: &str) -> ConsentText {
    ConsentText::new("Countersign: last PIN try", "Use the last try")
        .fact("Card", &format!("\"{label}\", serial {serial}"))
        .warning(
            "1 try left. Another wrong PIN blocks this card. You then lose its key unless the card's PIN can be reset.",
        )
}
