//! SIGN and DECIPHER.

use countersign_card::apdu::{Command, StatusWord};

use super::{long_data, unhex};
use crate::{
    card::{Card, Outcome},
    key::Secret,
};

pub fn sign(card: &mut Card, command: &Command) -> Outcome {
    use_key(card, command, |secret, input| {
        secret.sign(command.p2, input)
    })
}

pub fn decipher(card: &mut Card, command: &Command) -> Outcome {
    use_key(card, command, |secret, input| {
        secret.decipher(command.p2, input)
    })
}

fn use_key(
    card: &mut Card,
    command: &Command,
    operation: impl FnOnce(&Secret, &[u8]) -> Outcome,
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
    let secret = Secret::try_from(&key.secret).map_err(|_| StatusWord::ERROR)?;
    if let Some(left) = &mut key.uses_left {
        // The counter goes down before the key is used.
        *left -= 1;
        card.dirty = true;
    }
    operation(&secret, &input)
}
