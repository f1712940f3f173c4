//! Classifies a command by what it would do with a PIN, from its bytes alone.

use countersign_card::apdu::Command;
use countersign_cvc::tlv::{self, Tag};

/// The class bytes that a SmartCard-HSM accepts for secure messaging. Checking the bits 0C is not enough: in 4C to 7C they
/// belong to a channel number, and in FC they have no meaning (ISO/IEC 7816-4, section 5.4.1).
const PROTECTED: [u8; 2] = [0x0C, 0x8C];
/// The class bit of a part of a longer command (ISO/IEC 7816-4, section 5.3.3).
const CHAINING: u8 = 0x10;
/// The class of commands to the reader (PC/SC part 3, section 3.2), which could send any command to the card.
const READER: u8 = 0xFF;

const CRYPTOGRAM: Tag = Tag(0x87);
const CRYPTOGRAM_ODD: Tag = Tag(0x85);
const EXPECTED: Tag = Tag(0x97);
const CHECKSUM: Tag = Tag(0x8E);
/// The block size of DES, which old cards use. That of AES is twice as large.
const BLOCK: usize = 8;

/// The kind of a command, with a description of commands that concern a PIN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The command does not contain a PIN.
    Other,
    /// The command can use up tries, change a PIN or erase the card, and only the card can read it.
    Encrypted(&'static str),
    /// The command contains a PIN that can be read on the network.
    Readable(&'static str),
    /// The command could contain a PIN in disguise. No server needs such a command for a SmartCard-HSM.
    Disguised(&'static str),
}

/// Whether another part of the same command follows.
pub(super) fn is_chained(bytes: &[u8]) -> bool {
    bytes.first().is_some_and(|cla| cla & CHAINING != 0)
}

/// Classifies a command. `chained` means that the previous command was a part of a longer one.
pub(super) fn kind(bytes: &[u8], chained: bool) -> Kind {
    let [cla, ins, _, _, body @ ..] = bytes else {
        return Kind::Disguised("a command that is too short");
    };
    if *cla == READER {
        return Kind::Disguised("a command to the reader");
    }
    // An odd instruction is the same command with its data as TLV.
    let what = match ins & !1 {
        0x20 => "VERIFY with a PIN",
        0x24 => "CHANGE REFERENCE DATA with PINs",
        0x26 | 0x28 => "ENABLE or DISABLE VERIFICATION REQUIREMENT with a PIN",
        0x2C => "RESET RETRY COUNTER with a PIN",
        INITIALIZE_DEVICE => "INITIALIZE DEVICE with its PINs",
        0x5A => "MANAGE SESSION PIN with a PIN",
        0xC2 => {
            return if carries_data(body) {
                ENVELOPE
            } else {
                Kind::Other
            };
        }
        _ => return Kind::Other,
    };
    if chained || (is_chained(bytes) && carries_data(body)) {
        return Kind::Disguised("a PIN command in several parts");
    }
    // Without data, the other commands report a status. INITIALIZE DEVICE has no such form.
    let queries = ins & !1 != INITIALIZE_DEVICE;
    match protection(bytes) {
        _ if queries && !carries_data(body) => Kind::Other,
        Protection::NoData if queries => Kind::Other,
        Protection::None => Kind::Readable(what),
        Protection::Encrypted | Protection::NoData => Kind::Encrypted(what),
    }
}

/// Erases the card, and uses up a try of the SO-PIN.
const INITIALIZE_DEVICE: u8 = 0x50;

const ENVELOPE: Kind = Kind::Disguised("ENVELOPE, which can contain another command");

/// Whether the header is followed by more than the expected length.
fn carries_data(body: &[u8]) -> bool {
    !matches!(body, [] | [_] | [0, _, _])
}

enum Protection {
    /// At least a part of the data is readable.
    None,
    /// Secure messaging with encrypted data.
    Encrypted,
    /// Secure messaging of a command without data.
    NoData,
}

/// Checks the objects of secure messaging, because a server can set any class byte. Objects with readable data are not
/// accepted.
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
