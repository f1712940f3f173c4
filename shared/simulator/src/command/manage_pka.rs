//! MANAGE PUBLIC KEY AUTHENTICATION.

use countersign_card::apdu::{Command, StatusWord};
use countersign_cvc::{
    AuthenticatedRequest, Curve,
    tlv::{Tag, encode},
};

use crate::{
    card::{Card, Outcome},
    file::{RegisteredKey, StoredPka},
};

const REPLACE_ALLOWED: u16 = 0x0008;

pub fn run(card: &mut Card, command: &Command) -> Outcome {
    let Some(pka) = &card.data.pka else {
        return Err(StatusWord(card.data.profile.no_pka_sw));
    };
    let slot = usize::from(command.p2);
    match command.p1 {
        0x00 => {
            let buffered = std::mem::take(&mut card.session.transfer_buffer);
            let data = if command.data.is_empty() {
                buffered
            } else {
                command.data.clone()
            };
            if !data.is_empty() {
                register(card, &data, None)?;
            }
            status(card)
        }
        0x01 => {
            if card.data.options & REPLACE_ALLOWED == 0 || slot >= pka.keys.len() {
                return Err(StatusWord::CONDITIONS);
            }
            register(card, &command.data, Some(slot))?;
            status(card)
        }
        0x02 if slot >= usize::from(pka.total) => Err(StatusWord::WRONG_P1P2),
        0x02 => {
            let registered = pka.keys.get(slot).ok_or(StatusWord::REFERENCE_NOT_FOUND)?;
            Ok(registered.name.as_bytes().to_vec())
        }
        _ => Err(StatusWord::WRONG_P1P2),
    }
}

fn status(card: &Card) -> Outcome {
    let pka = card.data.pka.as_ref().ok_or(StatusWord::CONDITIONS)?;
    let count = |number: usize| u8::try_from(number).unwrap_or(u8::MAX);
    Ok(vec![
        pka.total,
        pka.total.saturating_sub(count(pka.keys.len())),
        pka.required,
        count(card.session.authenticated.len()),
    ])
}

fn register(card: &mut Card, content: &[u8], slot: Option<usize>) -> Result<(), StatusWord> {
    let request = AuthenticatedRequest::parse(&encode(Tag(0x67), content))
        .map_err(|_| StatusWord::WRONG_DATA)?;
    if !matches!(
        request.public_key().curve(),
        Some(Curve::BrainpoolP256r1 | Curve::Secp256r1)
    ) {
        return Err(StatusWord::WRONG_DATA);
    }
    if card.data.profile.checks_registration {
        let device = card
            .session
            .certificate_key
            .as_ref()
            .ok_or(StatusWord::REFERENCE_NOT_FOUND)?;
        request
            .verify_outer(device)
            .map_err(|_| StatusWord::CONDITIONS)?;
        request.verify_inner().map_err(|_| StatusWord::CONDITIONS)?;
    }
    let pka: &mut StoredPka = card.data.pka.as_mut().ok_or(StatusWord::CONDITIONS)?;
    let key = RegisteredKey {
        name: request.chr().clone(),
        key: request.public_key().clone(),
    };
    if pka
        .keys
        .iter()
        .any(|known| known.name == key.name || known.key == key.key)
    {
        return Err(StatusWord::CONDITIONS);
    }
    match slot {
        Some(slot) => pka.keys[slot] = key,
        None if Card::quorum_complete(pka) => return Err(StatusWord::NO_SPACE),
        None => pka.keys.push(key),
    }
    card.dirty = true;
    Ok(())
}
