//! The command MANAGE PUBLIC KEY AUTHENTICATION.

use countersign_card::apdu::{Command, Response, StatusWord};
use countersign_cvc::{
    AuthenticatedRequest,
    tlv::{Tag, encode},
};

use super::long_data;
use crate::{
    card::{Card, Outcome},
    file::{RegisteredKey, StoredPka},
};

const SESSION_PIN: u16 = 0x0004;
/// The bit has another meaning together with [`SESSION_PIN`].
const REPLACE_ALLOWED: u16 = 0x0008;
/// Length of a field element in bytes. A response has twice this length.
const FIELD: usize = 32;

pub fn run(card: &mut Card, command: &Command) -> Result<Response, StatusWord> {
    let profile = card.data.profile;
    let Some(pka) = &card.data.pka else {
        return Err(StatusWord(profile.no_pka_sw));
    };
    let slot = usize::from(command.p2);
    match command.p1 {
        0x00 => {
            let data = long_data(card, command);
            if !data.is_empty() {
                register(card, &data)?;
            }
            status(card)
        }
        0x01 => {
            let allowed = card.data.options & (SESSION_PIN | REPLACE_ALLOWED) == REPLACE_ALLOWED;
            if !allowed || slot >= pka.keys.len() {
                return Err(StatusWord::CONDITIONS);
            }
            card.demand_open()?;
            let data = long_data(card, command);
            replace(card, slot, &data)?;
            status(card)
        }
        0x02 if slot >= usize::from(pka.total) => Err(StatusWord::WRONG_P1P2),
        0x02 => {
            let registered = pka.keys.get(slot).ok_or(StatusWord::REFERENCE_NOT_FOUND)?;
            let sw = if card.session.authenticated.contains(&slot) {
                StatusWord::SLOT_AUTHENTICATED
            } else {
                StatusWord::OK
            };
            let data = registered.name.as_bytes().to_vec();
            Ok(Response { data, sw })
        }
        _ => Err(StatusWord::WRONG_P1P2),
    }
}

fn status(card: &Card) -> Result<Response, StatusWord> {
    let pka = card.data.pka.as_ref().ok_or(StatusWord::CONDITIONS)?;
    let count = |number: usize| u8::try_from(number).unwrap_or(u8::MAX);
    let data = vec![
        pka.total,
        pka.total.saturating_sub(count(pka.keys.len())),
        pka.required,
        count(card.session.authenticated.len()),
    ];
    let sw = StatusWord::OK;
    Ok(Response { data, sw })
}

fn register(card: &mut Card, content: &[u8]) -> Outcome {
    let session = &card.session;
    let login = session.user || session.security_officer || session.initialising;
    if card.data.profile.registration_needs_login && !login {
        return Err(StatusWord::NOT_AUTHENTICATED);
    }
    let key = check_request(card, content, None)?;
    let pka: &mut StoredPka = card.data.pka.as_mut().ok_or(StatusWord::CONDITIONS)?;
    if Card::quorum_complete(pka) {
        return Err(StatusWord::NO_SPACE);
    }
    pka.keys.push(key);
    card.dirty = true;
    Ok(Vec::new())
}

fn replace(card: &mut Card, slot: usize, content: &[u8]) -> Outcome {
    let key = check_request(card, content, Some(slot))?;
    let registered = card
        .data
        .pka
        .as_mut()
        .and_then(|pka| pka.keys.get_mut(slot));
    *registered.ok_or(StatusWord::CONDITIONS)? = key;
    // The authentication of the replaced key ends.
    card.session.authenticated.remove(&slot);
    if card.session.authentication_slot == Some(slot) {
        card.session.authentication_slot = None;
    }
    card.dirty = true;
    Ok(Vec::new())
}

/// Checks whether the key of a request can be registered, either in addition to all other keys or in place of the key in the
/// slot `replaced`.
fn check_request(
    card: &Card,
    content: &[u8],
    replaced: Option<usize>,
) -> Result<RegisteredKey, StatusWord> {
    let request = AuthenticatedRequest::parse(&encode(Tag(0x67), content))
        .map_err(|_| StatusWord::WRONG_DATA)?;
    let key = RegisteredKey {
        name: request.chr().clone(),
        key: request.public_key().clone(),
    };
    let curve = key.key.curve().ok_or(StatusWord::WRONG_DATA)?;
    if !card.data.profile.checks_registration {
        return Ok(key);
    }
    if curve.field_len() != FIELD {
        return Err(StatusWord::WRONG_DATA);
    }
    let device = card
        .session
        .certificate_key
        .as_ref()
        .ok_or(StatusWord::REFERENCE_NOT_FOUND)?;
    let genuine = request.outer_car() == &device.name
        && request.verify_outer(&device.key).is_ok()
        && request.verify_inner().is_ok();
    let pka = card.data.pka.as_ref().ok_or(StatusWord::CONDITIONS)?;
    let others = pka
        .keys
        .iter()
        .enumerate()
        .filter(|(slot, _)| Some(*slot) != replaced);
    let mut others = others.map(|(_, known)| known);
    if !genuine || others.any(|known| known.name == key.name || known.key == key.key) {
        return Err(StatusWord::CONDITIONS);
    }
    Ok(key)
}
