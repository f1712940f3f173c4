//! The command GENERATE SYMMETRIC KEY.

use countersign_card::apdu::{Command, StatusWord};
use zeroize::Zeroizing;

use super::{field, generate_key_pair};
use crate::{
    aes_key::{AesKey, DEFAULT_ALGORITHMS},
    card::{Card, Outcome},
    file::StoredKey,
    key::Key,
};

pub fn run(card: &mut Card, command: &Command) -> Outcome {
    card.demand_keys()?;
    let reference = command.p1;
    let size = match command.p2 {
        0xB0 => 16,
        0xB1 => 24,
        0xB2 => 32,
        _ => return Err(StatusWord::WRONG_P1P2),
    };
    if reference == 0 {
        return Err(StatusWord::WRONG_P1P2);
    }
    // Keys that can only import other keys are not implemented.
    if field(&command.data, 0x93).is_some() {
        return Err(StatusWord::WRONG_DATA);
    }
    let parameters = generate_key_pair::parameters(card, &command.data)?;
    let mut key = Zeroizing::new(vec![0; size]);
    getrandom::fill(&mut key).map_err(|_| StatusWord::ERROR)?;
    let stored = StoredKey {
        secret: Key::Aes(AesKey::new(&key)?).store()?,
        algorithms: parameters
            .algorithms
            .or_else(|| Some(hex::encode(DEFAULT_ALGORITHMS))),
        uses_left: parameters.uses_left,
        domain: parameters.domain,
    };
    card.data.keys.insert(reference, stored);
    card.data.files.remove(&(0xCE00 | u16::from(reference)));
    card.dirty = true;
    Ok(Vec::new())
}
