//! EXTERNAL AUTHENTICATE, which carries the response of a custodian.

use countersign_card::{
    apdu::{Command, StatusWord},
    pka::Challenge,
};
use countersign_cvc::{DeviceId, EcSignature, PublicKey};

use crate::card::{Card, Outcome};

pub fn run(card: &mut Card, command: &Command) -> Outcome {
    if command.data.is_empty() {
        return Err(StatusWord::WRONG_LENGTH);
    }
    let slot = card
        .session
        .authentication_slot
        .ok_or(StatusWord::REFERENCE_NOT_FOUND)?;
    let wrong = StatusWord(card.data.profile.wrong_response_sw);
    let pka = card
        .data
        .pka
        .as_ref()
        .ok_or(StatusWord::REFERENCE_NOT_FOUND)?;
    // The quorum can authenticate only after all its keys are registered.
    if !Card::quorum_complete(pka) {
        return Err(StatusWord::CONDITIONS);
    }
    let challenge = card.session.challenge.as_ref().ok_or(wrong)?;
    let PublicKey::Ec(key) = &pka
        .keys
        .get(slot)
        .ok_or(StatusWord::REFERENCE_NOT_FOUND)?
        .key
    else {
        return Err(wrong);
    };
    let challenge = Challenge::new(challenge).map_err(|_| wrong)?;
    let digest = challenge.digest(&DeviceId(card.data.device.clone()));
    let good = EcSignature::from_plain(&command.data, key.curve())
        .and_then(|signature| key.verify_prehash(&digest, &signature))
        .is_ok();
    let required = usize::from(pka.required);
    if card.data.profile.challenge_single_use {
        card.session.challenge = None;
    }
    if !good {
        if card.data.profile.challenge_resets {
            // A wrong response revokes the authentication of the same custodian.
            card.session.authenticated.remove(&slot);
        }
        return Err(wrong);
    }
    card.session.authenticated.insert(slot);
    if card.session.authenticated.len() >= required {
        card.session.granted = true;
        card.session.challenge = None;
    }
    Ok(Vec::new())
}
