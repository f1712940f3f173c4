//! The commands of the card, one module each. The names are those of the card's manual.

mod delete_file;
mod enumerate_objects;
mod external_authenticate;
mod general_authenticate;
mod generate_key_pair;
mod generate_symmetric_key;
mod get_challenge;
mod initialize_device;
mod manage_key_domain;
mod manage_pka;
mod manage_security_environment;
mod pin;
mod read_binary;
mod select;
mod update_binary;
mod use_key;
mod verify_certificate;
mod wrap_key;

use countersign_card::apdu::{Command, Response, StatusWord};

use crate::card::Card;

/// Executes a command.
pub fn dispatch(card: &mut Card, command: &Command) -> Result<Response, StatusWord> {
    let (cla, ins) = (command.cla, command.ins);
    let success = |data| Response {
        data,
        sw: StatusWord::OK,
    };
    if (cla, ins) == (0x00, 0xA4) {
        return select::run(card, command).map(success);
    }
    if !card.session.selected {
        return Err(StatusWord::UNKNOWN_INSTRUCTION);
    }
    match (cla, ins) {
        (0x80 | 0x00, 0x54) => return manage_pka::run(card, command),
        (0x00, 0xB1) => read_binary::run(card, command),
        (0x00, 0xD7) => update_binary::run(card, command),
        (0x00, 0xE4) => delete_file::run(card, command),
        (0x80, 0x58) => Ok(enumerate_objects::run(card)),
        (0x80, 0x50) => initialize_device::run(card, command),
        (0x80, 0x52) => manage_key_domain::run(card, command),
        (0x00, 0x20) => pin::verify(card, command),
        (0x00, 0x24) => pin::change(card, command),
        (0x00, 0x2C) => pin::reset_retry_counter(card, command),
        (0x00, 0x46) => generate_key_pair::run(card, command),
        (0x00, 0x48) => generate_symmetric_key::run(card, command),
        (0x80, 0x68) => use_key::sign(card, command),
        (0x80, 0x62) => use_key::decipher(card, command),
        (0x80, 0x72) => wrap_key::wrap(card, command),
        (0x80, 0x74) => wrap_key::unwrap(card, command),
        (0x80, 0x78) => use_key::cipher(card, command),
        (0x00, 0x84) => get_challenge::run(card, command),
        (0x00, 0x22) => manage_security_environment::run(card, command),
        (0x00, 0x2A) => verify_certificate::run(card, command),
        (0x00, 0x82) => external_authenticate::run(card, command),
        (0x00, 0x86) => general_authenticate::run(card, command),
        _ => Err(StatusWord::UNKNOWN_INSTRUCTION),
    }
    .map(success)
}

/// Content of the first object with this tag.
fn field(data: &[u8], tag: u16) -> Option<&[u8]> {
    use countersign_cvc::tlv::{self, Tag};
    let objects = tlv::parse_all(data).ok()?;
    tlv::find(&objects, Tag(tag)).map(|object| object.value)
}

/// The data of a command, or the content of the transfer buffer if the data was too long for the command.
fn long_data(card: &mut Card, command: &Command) -> Vec<u8> {
    let buffered = std::mem::take(&mut card.session.transfer_buffer);
    if command.data.is_empty() {
        buffered
    } else {
        command.data.clone()
    }
}

/// Decodes hex that this program has stored, which is always valid.
fn unhex(text: &str) -> Vec<u8> {
    hex::decode(text).unwrap_or_default()
}
