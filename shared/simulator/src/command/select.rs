//! The command SELECT.

use countersign_card::apdu::{Command, StatusWord};
use countersign_cvc::tlv::{Tag, TlvWriter};

use super::{enumerate_objects, read_binary};
use crate::{
    card::{Card, Outcome},
    session::Session,
};

const AID: [u8; 11] = [
    0xE8, 0x2B, 0x06, 0x01, 0x04, 0x01, 0x81, 0xC3, 0x1F, 0x02, 0x01,
];
/// Platform of the vendor's devices, and version 3.5.
const VERSION: [u8; 3] = [0x00, 3, 5];
/// A platform that is not the vendor's, and version 6.6.
const INDEPENDENT_VERSION: [u8; 3] = [0xFF, 6, 6];

pub fn run(card: &mut Card, command: &Command) -> Outcome {
    match (command.p1, command.p2) {
        (0x04, 0x0C) if command.data == AID && !card.data.profile.secure_messaging => {
            Err(StatusWord::WRONG_P1P2)
        }
        (0x04, 0x00 | 0x04 | 0x0C) if command.data == AID => {
            if !(card.session.selected && card.data.profile.swallows_logout) {
                card.session = Session {
                    selected: true,
                    ..Session::default()
                };
            }
            if command.p2 == 0x0C {
                return Ok(Vec::new());
            }
            Ok(application(card, command.p2))
        }
        (0x00 | 0x02, 0x00) if card.session.selected => select_file(card, &command.data),
        _ => Err(StatusWord::FILE_NOT_FOUND),
    }
}

/// File control information of the application, with option word, platform and version.
fn application(card: &Card, p2: u8) -> Vec<u8> {
    let options = card.data.options.to_be_bytes();
    if card.data.profile.independent {
        return TlvWriter::new()
            .with(Tag(0x81), &[0, 0])
            .with(Tag(0x82), &[0x38])
            .with(Tag(0x83), &[0x3F, 0x00])
            .with(Tag(0x84), &AID)
            .with(Tag(0x8A), &[0x05])
            .with(Tag(0x85), &[&options[..], &INDEPENDENT_VERSION].concat())
            .wrap(Tag(0x62));
    }
    let template = if p2 == 0x04 { 0x62 } else { 0x6F };
    TlvWriter::new()
        .with(Tag(0x82), &[0x78])
        .with(Tag(0x85), &[&options[..], &VERSION].concat())
        .wrap(Tag(template))
}

fn select_file(card: &mut Card, identifier: &[u8]) -> Outcome {
    let file = match identifier {
        [high, low] => u16::from_be_bytes([*high, *low]),
        _ => return Err(StatusWord::FILE_NOT_FOUND),
    };
    let key = enumerate_objects::key_of(card, file);
    let size = match (&key, read_binary::content(card, file)) {
        (Some(_), _) => 0,
        (None, Some(content)) => content.len(),
        (None, None) if file == enumerate_objects::DEVICE_KEY => 0,
        (None, None) => return Err(StatusWord::FILE_NOT_FOUND),
    };
    card.session.current_file = Some(file);
    let template = TlvWriter::new()
        .with(
            Tag(0x81),
            &u16::try_from(size).unwrap_or(u16::MAX).to_be_bytes(),
        )
        .with(Tag(0x82), &[0x01])
        .with(Tag(0x83), &file.to_be_bytes());
    let template = match key {
        Some(key) => {
            let proprietary = TlvWriter::new()
                .with(Tag(0x90), &key.uses_left.unwrap_or(u32::MAX).to_be_bytes())
                .with_some(
                    Tag(0x91),
                    key.algorithms.as_deref().map(super::unhex).as_deref(),
                )
                .with(Tag(0x92), &[key.domain])
                .finish();
            template.with(Tag(0xA5), &proprietary)
        }
        None => template.with(Tag(0x8A), &[0x05]),
    };
    Ok(template.wrap(Tag(0x62)))
}
