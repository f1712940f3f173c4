//! WRAP KEY and UNWRAP KEY, which export and import encrypted keys between cards with the same DKEK.

use countersign_card::apdu::{Command, StatusWord};

use super::{long_data, manage_key_domain::slot, unhex};
use crate::{
    card::{Card, Outcome},
    file::StoredKey,
    key::Key,
    wrapped_key::{self, WrappedKey},
};

// Second parameters of the commands, which are also the algorithms in a key's list.
const WRAP: u8 = 0x92;
const UNWRAP: u8 = 0x93;

pub fn wrap(card: &mut Card, command: &Command) -> Outcome {
    require_domains(card)?;
    if command.p2 != WRAP {
        return Err(StatusWord::WRONG_P1P2);
    }
    card.demand_keys()?;
    let key = card
        .data
        .keys
        .get(&command.p1)
        .ok_or(StatusWord::REFERENCE_NOT_FOUND)?;
    let algorithms = key.algorithms.as_deref().map(unhex);
    if algorithms
        .as_ref()
        .is_some_and(|list| !list.contains(&WRAP))
    {
        return Err(StatusWord::NOT_SUPPORTED);
    }
    // A copy would not have the counter, so that the limit would not apply to it.
    if key.uses_left.is_some() {
        return Err(StatusWord::CONDITIONS);
    }
    let dkek = slot(card, key.domain)?
        .ok_or(StatusWord::REFERENCE_NOT_FOUND)?
        .dkek()
        .ok_or(StatusWord::CONDITIONS)?;
    let secret = Key::try_from(&key.secret)?;
    let mut nonce = [0; 8];
    card.fill_random(&mut nonce)?;
    WrappedKey { secret, algorithms }.seal(&dkek, nonce)
}

pub fn unwrap(card: &mut Card, command: &Command) -> Outcome {
    require_domains(card)?;
    let reference = command.p1;
    if command.p2 != UNWRAP || reference == 0 {
        return Err(StatusWord::WRONG_P1P2);
    }
    let blob = long_data(card, command);
    card.demand_keys()?;
    let kcv = wrapped_key::kcv(&blob).ok_or(StatusWord::WRONG_DATA)?;
    let domains = card.data.key_domains.iter().flatten();
    let (domain, dkek) = (0..=u8::MAX)
        .zip(domains)
        .filter_map(|(index, domain)| Some((index, domain.as_ref()?.dkek()?)))
        .find(|(_, dkek)| dkek.kcv() == kcv)
        .ok_or(StatusWord::WRONG_DATA)?;
    let key = WrappedKey::open(&dkek, &blob)?;
    let stored = StoredKey {
        secret: key.secret.store()?,
        algorithms: key.algorithms.map(hex::encode),
        uses_left: None,
        domain,
    };
    card.data.keys.insert(reference, stored);
    // The stored request attests the previous key with this reference, not the new one.
    card.data.files.remove(&(0xCE00 | u16::from(reference)));
    card.dirty = true;
    Ok(Vec::new())
}

fn require_domains(card: &Card) -> Result<(), StatusWord> {
    match card.data.key_domains {
        Some(_) => Ok(()),
        None => Err(StatusWord::UNKNOWN_INSTRUCTION),
    }
}
