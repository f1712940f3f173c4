//! The command READ BINARY with odd instruction byte.

use countersign_card::apdu::{Command, StatusWord};

use super::{enumerate_objects, field, unhex};
use crate::card::{Card, Outcome};

pub fn run(card: &mut Card, command: &Command) -> Outcome {
    let file = match u16::from_be_bytes([command.p1, command.p2]) {
        0 => card
            .session
            .current_file
            .ok_or(StatusWord::FILE_NOT_FOUND)?,
        file => file,
    };
    let offset = match field(&command.data, 0x54) {
        Some([high, low]) => usize::from(u16::from_be_bytes([*high, *low])),
        _ => return Err(StatusWord::WRONG_DATA),
    };
    let key =
        file == enumerate_objects::DEVICE_KEY || enumerate_objects::key_of(card, file).is_some();
    if key {
        return Err(StatusWord::NOT_AUTHENTICATED);
    }
    let content = content(card, file).ok_or(StatusWord::FILE_NOT_FOUND)?;
    if file & 0xFF00 == 0xCD00 {
        card.demand_open()?;
    }
    let rest = content.get(offset..).ok_or(StatusWord::WRONG_PARAMETERS)?;
    if rest.is_empty() {
        return Err(StatusWord::END_OF_FILE);
    }
    let count = command.le.map_or(0, |le| le.bytes()).min(rest.len());
    Ok(rest[..count].to_vec())
}

pub fn content(card: &Card, file: u16) -> Option<Vec<u8>> {
    match file {
        0x2F02 => Some(unhex(&card.data.certificates)),
        0x2F10 => Some(card.session.transfer_buffer.clone()),
        _ => card.data.files.get(&file).map(|content| unhex(content)),
    }
}
