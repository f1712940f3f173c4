//! From consent to an unlocked card: at most one PIN try.

use countersign_protocol::helper::{HelperError, PinState, Step};

use super::{Caller, Conversation};
use crate::{
    advice,
    cards::{CardDesk, FoundCard, PinSession},
    prompt::{ConsentText, PinRequest, Seat},
};

impl Conversation {
    pub(super) fn unlock(
        &self,
        card: &FoundCard,
        purpose: &str,
        seat: &Seat<'_>,
        caller: &Caller,
    ) -> Result<PinSession, HelperError> {
        unlock(&self.helper.cards, card, purpose, seat, caller)
    }
}

/// Asks for the PIN and logs in.
pub(crate) fn unlock(
    cards: &CardDesk,
    card: &FoundCard,
    purpose: &str,
    seat: &Seat<'_>,
    caller: &Caller,
) -> Result<PinSession, HelperError> {
    let tries = match card.pin {
        PinState::Ready { tries } => tries,
        PinState::Blocked => return Err(advice::pin_blocked()),
        PinState::NotSet => return Err(advice::pin_not_set()),
        PinState::Transport => return Err(advice::pin_transport()),
    };
    let name = format!("{} ({})", card.label, card.device.id().serial());
    caller.step(Step::WaitingForPin);
    if tries == Some(1) {
        let agreed = seat.consent(&last_try(&name), &caller.patience);
        if !agreed.map_err(advice::not_answered)? {
            return Err(advice::pin_cancelled());
        }
    }
    let request = PinRequest {
        purpose: purpose.to_owned(),
        card: name,
        tries,
    };
    let pin = seat
        .pin(&request, &caller.patience)
        .map_err(advice::not_answered)?
        .ok_or_else(advice::pin_cancelled)?;
    cards.unlock(card, &pin)
}

fn last_try(card: &str) -> ConsentText {
    ConsentText::new("Countersign: last PIN try", "Use the last try")
        .fact("Card", card)
        .warning("One try is left. A wrong PIN blocks this card, and its key is lost for you unless it can be reset.")
}
