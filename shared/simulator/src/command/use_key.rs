//! The commands SIGN and DECIPHER, and the cipher command of AES keys.

use countersign_card::apdu::{Command, StatusWord};

use super::{long_data, unhex};
use crate::{
    card::{Card, Outcome},
    key::{Key, Secret, StoredSecret},
};

const ECDH: u8 = 0x80;

pub fn sign(card: &mut Card, command: &Command) -> Outcome {
    check_key_type(card, command)?;
    let forges = card.forges;
    use_key(card, command, |key, input| {
        let mut input = input.to_vec();
        if forges && let Some(last) = input.last_mut() {
            *last ^= 1;
        }
        pair(key)?.sign(command.p2, &input)
    })
}

pub fn decipher(card: &mut Card, command: &Command) -> Outcome {
    let mut output = use_key(card, command, |key, input| {
        pair(key)?.decipher(command.p2, input)
    })?;
    if command.p2 == ECDH && card.data.profile.ecdh_only_x {
        let coordinate = output.len() / 2;
        output[1 + coordinate..].fill(0);
    }
    Ok(output)
}

pub fn cipher(card: &mut Card, command: &Command) -> Outcome {
    use_key(card, command, |key, input| match key {
        Key::Aes(key) => key.apply(command.p2, input),
        Key::Pair(_) => Err(StatusWord::NOT_SUPPORTED),
    })
}

/// Refuses an algorithm that does not fit the kind of the key; the profile says when, and with which status word.
fn check_key_type(card: &Card, command: &Command) -> Result<(), StatusWord> {
    let profile = &card.data.profile;
    let Some(key) = card.data.keys.get(&command.p1) else {
        return Ok(());
    };
    let fits = match &key.secret {
        StoredSecret::Ec { .. } => (0x70..=0x75).contains(&command.p2),
        StoredSecret::Rsa { .. } => (0x20..=0x45).contains(&command.p2),
        StoredSecret::Aes { .. } => false,
    };
    if fits {
        return Ok(());
    }
    if profile.checks_key_type_first {
        return Err(StatusWord::NOT_SUPPORTED);
    }
    card.demand_keys()?;
    Err(StatusWord(profile.wrong_key_type_sw))
}

fn pair(key: &Key) -> Result<&Secret, StatusWord> {
    match key {
        Key::Pair(secret) => Ok(secret),
        Key::Aes(_) => Err(StatusWord::NOT_SUPPORTED),
    }
}

fn use_key(
    card: &mut Card,
    command: &Command,
    operation: impl FnOnce(&Key, &[u8]) -> Outcome,
) -> Outcome {
    card.demand_keys()?;
    let input = long_data(card, command);
    let key = card
        .data
        .keys
        .get_mut(&command.p1)
        .ok_or(StatusWord::REFERENCE_NOT_FOUND)?;
    if key
        .algorithms
        .as_deref()
        .is_some_and(|list| !unhex(list).contains(&command.p2))
    {
        return Err(StatusWord::NOT_SUPPORTED);
    }
    if key.uses_left == Some(0) {
        return Err(StatusWord::NOT_USABLE);
    }
    let secret = Key::try_from(&key.secret)?;
    if let Some(left) = &mut key.uses_left {
        // The counter decreases before the key is used.
        *left -= 1;
        card.dirty = true;
    }
    operation(&secret, &input)
}
