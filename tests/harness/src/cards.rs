//! Simulated cards, each in a file.

use std::path::{Path, PathBuf};

use countersign_simulator::{NewCard, Profile, Simulator};

use crate::helper::PIN;

/// SO-PIN of every card that the harness creates, in hex.
pub const SO_PIN: &str = "3537363231383830";

/// Creates a person's card, with [`PIN`] and without keys.
pub fn personal(folder: &Path, name: &str) -> anyhow::Result<PathBuf> {
    let path = folder.join(format!("{}.card.json", name.to_lowercase()));
    let serial: String = name
        .to_uppercase()
        .chars()
        .chain("000000".chars())
        .take(6)
        .collect();
    let new = NewCard {
        serial,
        label: name.to_owned(),
        profile: Profile::VENDOR,
        user_pin: Some(PIN.to_owned()),
    };
    Simulator::create(&path, &new)?;
    Ok(path)
}

/// Creates a signing HSM in its factory state.
pub fn signing_hsm(folder: &Path, profile: Profile) -> anyhow::Result<PathBuf> {
    hsm(folder, "HSM001", profile)
}

/// Creates a signing HSM with this serial number, which has six characters.
pub fn hsm(folder: &Path, serial: &str, profile: Profile) -> anyhow::Result<PathBuf> {
    let path = folder.join(format!("{}.card.json", serial.to_lowercase()));
    let new = NewCard {
        serial: serial.into(),
        label: "Signing HSM".into(),
        profile,
        user_pin: None,
    };
    Simulator::create(&path, &new)?;
    Ok(path)
}
