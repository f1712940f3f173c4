//! MANAGE SECURITY ENVIRONMENT, which selects a key for the next command.

use countersign_card::{
    apdu::{Command, StatusWord},
    secure_messaging::CA_ECDH_AES_128,
};
use countersign_cvc::Chr;

use super::field;
use crate::{
    card::{Card, Outcome},
    known_key,
};

pub fn run(card: &mut Card, command: &Command) -> Outcome {
    let named = || {
        let name = field(&command.data, 0x83).ok_or(StatusWord::WRONG_DATA)?;
        Chr::from_card_bytes(name).map_err(|_| StatusWord::REFERENCE_NOT_FOUND)
    };
    match (command.p1, command.p2) {
        (0x81, 0xB6) => {
            let key = known_key::find(card, &named()?).ok_or(StatusWord::REFERENCE_NOT_FOUND)?;
            card.session.certificate_key = Some(key);
            Ok(Vec::new())
        }
        (0x81, 0xA4) => {
            let name = named()?;
            let pka = card
                .data
                .pka
                .as_ref()
                .ok_or(StatusWord::REFERENCE_NOT_FOUND)?;
            let slot = pka
                .keys
                .iter()
                .position(|registered| registered.name == name)
                .ok_or(StatusWord::REFERENCE_NOT_FOUND)?;
            card.session.authentication_slot = Some(slot);
            if card.data.profile.challenge_resets && card.session.authenticated.contains(&slot) {
                // Such a card reports an error but selects the key nevertheless.
                return Err(StatusWord::CONDITIONS);
            }
            Ok(Vec::new())
        }
        (0x41, 0xA4) => {
            if field(&command.data, 0x80) != Some(&CA_ECDH_AES_128) {
                return Err(StatusWord::WRONG_DATA);
            }
            card.session.chip_authentication = true;
            Ok(Vec::new())
        }
        _ => Err(StatusWord::WRONG_P1P2),
    }
}
