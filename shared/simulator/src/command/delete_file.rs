//! The command DELETE FILE.

use countersign_card::apdu::{Command, StatusWord};

use crate::card::{Card, Outcome};

pub fn run(card: &mut Card, command: &Command) -> Outcome {
    let file = match command.data.as_slice() {
        [high, low] => u16::from_be_bytes([*high, *low]),
        _ => return Err(StatusWord::WRONG_DATA),
    };
    card.demand_open()?;
    let [kind, number] = file.to_be_bytes();
    let existed = match (kind, number) {
        (0xCC, 0) | (0x2F, _) => return Err(StatusWord::NOT_AUTHENTICATED),
        (0xCC, reference) => card.data.keys.remove(&reference).is_some(),
        _ => card.data.files.remove(&file).is_some(),
    };
    card.dirty |= existed;
    if existed {
        Ok(Vec::new())
    } else {
        Err(StatusWord::FILE_NOT_FOUND)
    }
}
