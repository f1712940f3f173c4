//! The command ENUMERATE OBJECTS.

use crate::{card::Card, file::StoredKey};

/// File identifier of the device key.
pub const DEVICE_KEY: u16 = 0xCC00;

pub fn run(card: &Card) -> Vec<u8> {
    // The device key comes first, because other software finds free references by means of the list.
    let keys = std::iter::once(DEVICE_KEY).chain(
        card.data
            .keys
            .keys()
            .map(|reference| 0xCC00 | u16::from(*reference)),
    );
    let files = card
        .data
        .files
        .keys()
        .copied()
        .filter(|file| file >> 8 >= 0xC4);
    keys.chain(files).flat_map(u16::to_be_bytes).collect()
}

/// Finds the key with this file identifier.
pub fn key_of(card: &Card, file: u16) -> Option<StoredKey> {
    match file.to_be_bytes() {
        [0xCC, reference] => card.data.keys.get(&reference).cloned(),
        _ => None,
    }
}
