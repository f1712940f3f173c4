//! A custodian key's `.pka` file, for HSMs that are set up with other tools than the portal.

use countersign_protocol::{
    cvc::{Chr, DeviceId, PkaFile, attestation},
    helper::{CardKeyView, HelperError},
};

use crate::{
    advice,
    cards::{CardDesk, FoundCard},
    consent::{Consent, NewKeyRequest},
    conversation::{Caller, check_new_key, unlock},
    prompt::{Patience, PromptDesk},
};

/// A key with everything that an HSM needs to register it.
pub struct ExportedKey {
    /// The card's label.
    pub card_label: String,
    /// The card.
    pub card: DeviceId,
    /// The key.
    pub key: CardKeyView,
    /// Request and certificates; verified.
    pub file: PkaFile,
}

impl ExportedKey {
    fn new(
        desk: &CardDesk,
        card: &FoundCard,
        key: CardKeyView,
        file: PkaFile,
    ) -> Result<Self, HelperError> {
        attestation::verify(&file, desk.anchors()).map_err(advice::card_refused)?;
        Ok(Self {
            card_label: card.label.clone(),
            card: card.device.id().clone(),
            key,
            file,
        })
    }

    fn is_called(&self, name: &str) -> bool {
        self.key.label == name
            || self
                .key
                .chr
                .as_ref()
                .is_some_and(|chr| chr.as_str() == name)
    }
}

impl std::fmt::Display for ExportedKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let chr = self.key.chr.as_ref().map_or("", Chr::as_str);
        write!(
            f,
            "{chr} \"{}\" on card \"{}\" ({}), fingerprint {}",
            self.key.label,
            self.card_label,
            self.card.serial(),
            self.key.fingerprint.words().join(" ")
        )
    }
}

/// The key with this label or name (CHR) on the cards in the readers; without a name the only one.
///
/// # Errors
/// [`HelperError`]: none, or several; their names are in the message.
pub fn find(desk: &CardDesk, name: Option<&str>) -> Result<ExportedKey, HelperError> {
    let mut keys = Vec::new();
    for card in desk.cards() {
        for (key, file) in card.attested_keys() {
            keys.push(ExportedKey::new(desk, &card, key, file)?);
        }
    }
    if keys.is_empty() {
        return Err(advice::invalid(
            "No card in your readers has a key that an HSM could register. Insert your card, or have a new key \
             generated with --generate.",
        ));
    }
    let listed = list(&keys);
    let mut wanted = keys
        .into_iter()
        .filter(|key| name.is_none_or(|name| key.is_called(name)));
    match (wanted.next(), wanted.next()) {
        (Some(key), None) => Ok(key),
        (None, _) => Err(advice::invalid(format!(
            "No key has this label or name. These can be exported:\n{listed}"
        ))),
        (Some(_), Some(_)) => Err(advice::invalid(format!(
            "There are several keys. Choose one with --key and its label, or its name if labels are the same:\n{listed}"
        ))),
    }
}

fn list(keys: &[ExportedKey]) -> String {
    let lines: Vec<_> = keys.iter().map(|key| format!("  {key}")).collect();
    lines.join("\n")
}

/// Generates a key on the card with this serial number, or on the only card, after consent and PIN.
///
/// # Errors
/// [`HelperError`]: no such card, declined, or the card's.
pub fn generate(
    desk: &CardDesk,
    prompts: &PromptDesk,
    serial: Option<&str>,
    label: &str,
    chr: &Chr,
) -> Result<ExportedKey, HelperError> {
    let (label, chr) = check_new_key(label, chr)?;
    let card = choose_card(desk.cards(), serial)?;
    let request = NewKeyRequest {
        card: card.device.id().clone(),
        card_label: card.label.clone(),
        label,
        chr,
    };
    let purpose = format!("Generate key {}", request.chr);
    let caller = Caller::new(Patience::unlimited(), Box::new(|_| {}));
    let seat = prompts.sit().ok_or_else(advice::busy)?;
    let consent = Consent::ask(request, &seat, caller.patience())?;
    let mut session = unlock(desk, &card, &purpose, &seat, &caller)?;
    let (key, file) = session.generate_key(&consent)?;
    ExportedKey::new(desk, &card, key, file)
}

fn choose_card(cards: Vec<FoundCard>, serial: Option<&str>) -> Result<FoundCard, HelperError> {
    let found: Vec<_> = cards
        .iter()
        .map(|card| format!("  {} \"{}\"", card.device.id().serial(), card.label))
        .collect();
    let mut wanted = cards
        .into_iter()
        .filter(|card| serial.is_none_or(|serial| card.device.id().serial() == serial));
    match (wanted.next(), wanted.next()) {
        (Some(card), None) => Ok(card),
        (None, _) if found.is_empty() => Err(advice::invalid(
            "There is no usable card in your readers. `countersign-helper readers` tells more.",
        )),
        _ => Err(advice::invalid(format!(
            "Choose one of these cards with --card and its serial number:\n{}",
            found.join("\n")
        ))),
    }
}
