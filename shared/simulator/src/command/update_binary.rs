//! UPDATE BINARY with odd instruction byte, which creates the file if it does not exist.

use countersign_card::apdu::{Command, StatusWord};

use super::{field, unhex};
use crate::card::{Card, Outcome};

/// Longest file in bytes.
const MAX_FILE_LENGTH: usize = 4096;

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
    let data = field(&command.data, 0x53).ok_or(StatusWord::WRONG_DATA)?;
    if file == 0x2F10 {
        if offset == 0 {
            card.session.transfer_buffer.clear();
        }
        write(&mut card.session.transfer_buffer, offset, data)?;
        card.session.current_file = Some(file);
        return Ok(Vec::new());
    }
    let writable = file == 0x2F03 || matches!(file >> 8, 0xC4 | 0xC8..=0xCB | 0xCD..=0xCF);
    if !writable {
        return Err(StatusWord::NOT_AUTHENTICATED);
    }
    card.demand_open()?;
    let mut content = card
        .data
        .files
        .get(&file)
        .map(|content| unhex(content))
        .unwrap_or_default();
    write(&mut content, offset, data)?;
    card.data.files.insert(file, hex::encode(content));
    card.session.current_file = Some(file);
    card.dirty = true;
    Ok(Vec::new())
}

fn write(content: &mut Vec<u8>, offset: usize, data: &[u8]) -> Result<(), StatusWord> {
    let end = offset + data.len();
    if offset > content.len() || end > MAX_FILE_LENGTH {
        return Err(StatusWord::WRONG_PARAMETERS);
    }
    if content.len() < end {
        content.resize(end, 0);
    }
    content[offset..end].copy_from_slice(data);
    Ok(())
}
