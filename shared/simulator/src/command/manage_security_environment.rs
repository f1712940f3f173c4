//! MANAGE SECURITY ENVIRONMENT: chooses a key for the next command.

use countersign_card::{
    apdu::{Command, StatusWord},
    secure_messaging::CA_ECDH_AES_128,
};
use countersign_cvc::{Chr, PublicKey};

use super::field;
use crate::{
    card::{Card, Outcome},
    key::Secret,
    pki,
};

pub fn run(card: &mut Card, command: &Command) -> Outcome {
    let named = || {
        let name = field(&command.data, 0x83).ok_or(StatusWord::WRONG_DATA)?;
        Chr::from_card_bytes(name).map_err(|_| StatusWord::REFERENCE_NOT_FOUND)
    };
    match (command.p1, command.p2) {
        (0x81, 0xB6) => {
            let key = certificate_key(card, &named()?).ok_or(StatusWord::REFERENCE_NOT_FOUND)?;
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
                // Said to be refused, chosen all the same.
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

/// Root, issuer, the device itself, and what was verified in this session.
fn certificate_key(card: &Card, name: &Chr) -> Option<PublicKey> {
    use countersign_cvc::issue::CvcSigner;
    let own = || {
        (card.data.device == *name)
            .then(|| Secret::try_from(&card.data.device_key).ok())
            .flatten()
            .map(|key| key.public_key())
    };
    let verified = card
        .session
        .verified
        .iter()
        .find(|(known, _)| known == name);
    pki::known_key(name)
        .or_else(own)
        .or_else(|| verified.map(|(_, key)| key.clone()))
}
