//! What a command would do with a PIN, from its bytes alone.

use countersign_card::apdu::Command;
use countersign_cvc::tlv::{self, Tag};

/// The class bytes that a SmartCard-HSM takes for secure messaging. Bits 0C alone do not say it: in 4C to 7C they are
/// the number of a channel, in FC of nothing (ISO/IEC 7816-4, section 5.4.1).
const PROTECTED: [u8; 2] = [0x0C, 0x8C];
/// A part of a longer command (ISO/IEC 7816-4, section 5.3.3).
const PART: u8 = 0x10;
/// Commands of this class are for the reader (PC/SC part 3, section 3.2), which could send the card whatever it likes.
const READER: u8 = 0xFF;

const CRYPTOGRAM: Tag = Tag(0x87);
const CRYPTOGRAM_ODD: Tag = Tag(0x85);
const EXPECTED: Tag = Tag(0x97);
const CHECKSUM: Tag = Tag(0x8E);
/// Of DES, which old cards use; AES has twice as much.
const BLOCK: usize = 8;

/// What a command is to the filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// It has nothing to do with a PIN.
    Other,
    /// It could unlock the card, and only the card can read it.
    Sealed(&'static str),
    /// A PIN in it can be read on the way.
    Open(&'static str),
    /// A PIN could hide in it. No server of a SmartCard-HSM has a use for it.
    Hidden(&'static str),
}

/// Whether more of the same command follows.
pub(super) fn is_part(bytes: &[u8]) -> bool {
    bytes.first().is_some_and(|cla| cla & PART != 0)
}

/// Reads a command; `parts`: the one before it was a part of a longer one.
pub(super) fn kind(bytes: &[u8], parts: bool) -> Kind {
    let [cla, ins, _, _, body @ ..] = bytes else {
        return Kind::Hidden("a command that is too short");
    };
    if *cla == READER {
        return Kind::Hidden("a command to the reader");
    }
    // Odd instructions are the same commands with their data as TLV.
    let (what, unlocks) = match ins & !1 {
        0x20 => ("VERIFY with a PIN", true),
        0x24 => ("CHANGE REFERENCE DATA with PINs", true),
        0x26 | 0x28 => ("a change of the need for a PIN, with a PIN", true),
        0x2C => ("RESET RETRY COUNTER with a PIN", true),
        // Leaves no key behind that it could unlock.
        0x50 => ("INITIALIZE DEVICE with its PINs", false),
        0x5A => ("MANAGE SESSION PIN with a PIN", true),
        0xC2 => {
            return if carries_data(body) {
                ENVELOPE
            } else {
                Kind::Other
            };
        }
        _ => return Kind::Other,
    };
    if parts || (is_part(bytes) && carries_data(body)) {
        return Kind::Hidden("a PIN command in several parts");
    }
    if !carries_data(body) {
        return Kind::Other;
    }
    match protection(bytes) {
        Protection::None => Kind::Open(what),
        Protection::Encrypted if unlocks => Kind::Sealed(what),
        Protection::Encrypted | Protection::NoData => Kind::Other,
    }
}

const ENVELOPE: Kind = Kind::Hidden("ENVELOPE, in which another command can hide");

/// Whether more than an expected length follows the header.
fn carries_data(body: &[u8]) -> bool {
    !matches!(body, [] | [_] | [0, _, _])
}

enum Protection {
    /// The data, or some of it, can be read.
    None,
    /// Secure messaging, with encrypted data.
    Encrypted,
    /// Secure messaging of a command without data.
    NoData,
}

/// The class byte is the server's word; the objects of secure messaging must be there too, and none that holds data in the clear.
fn protection(bytes: &[u8]) -> Protection {
    let Ok(command) = Command::parse(bytes) else {
        return Protection::None;
    };
    if !PROTECTED.contains(&command.cla) {
        return Protection::None;
    }
    let Ok(objects) = tlv::parse_all(&command.data) else {
        return Protection::None;
    };
    let Some((checksum, rest)) = objects.split_last() else {
        return Protection::None;
    };
    if checksum.tag != CHECKSUM || checksum.value.len() != 8 {
        return Protection::None;
    }
    let mut protection = Protection::NoData;
    for object in rest {
        match (object.tag, object.value) {
            (CRYPTOGRAM, [1, cipher @ ..]) | (CRYPTOGRAM_ODD, cipher)
                if !cipher.is_empty() && cipher.len() % BLOCK == 0 =>
            {
                protection = Protection::Encrypted;
            }
            (EXPECTED, [_] | [_, _]) => {}
            _ => return Protection::None,
        }
    }
    protection
}
