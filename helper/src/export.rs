//! Exports a custodian key as a `.pka` file, for HSMs that are set up without the portal.

use countersign_protocol::{
    cvc::{Chr, DeviceId, PkaFile, attestation},
    helper::{CardKeyView, HelperError},
};

use crate::{
    advice,
    cards::{CardReaders, FoundCard},
    consent::{Consent, NewKeyRequest},
    conversation::{Caller, check_new_key, unlock},
    prompt::{Deadline, PinPurpose, Prompts},
};

/// A key with everything that an HSM needs to register it.
pub struct ExportedKey {
    pub card_label: String,
    pub card: DeviceId,
    pub key: CardKeyView,
    /// The verified request and certificates.
    pub file: PkaFile,
}

impl ExportedKey {
    fn new(
        readers: &CardReaders,
        card: &FoundCard,
        key: CardKeyView,
        file: PkaFile,
    ) -> Result<Self, HelperError> {
        attestation::verify(&file, readers.anchors()).map_err(advice::card_refused)?;
        Ok(Self {
            card_label: card.label.clone(),
            card: card.device.id().clone(),
            key,
            file,
        })
    }

    fn has_name(&self, name: &str) -> bool {
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
            "{chr} \"{}\" on card \"{}\" (serial {}), fingerprint {}",
            self.key.label,
            self.card_label,
            self.card.serial(),
            self.key.fingerprint.words().join(" ")
        )
    }
}

/// Finds the key with this label or key ID (CHR) on the cards in the readers. Without a name, there must be only one key.
///
/// # Errors
/// No key matches, or several do. The message lists them.
pub fn find(readers: &CardReaders, name: Option<&str>) -> Result<ExportedKey, HelperError> {
    let mut keys = Vec::new();
    for card in readers.cards() {
        for (key, file) in card.attested_keys() {
            keys.push(ExportedKey::new(readers, &card, key, file)?);
        }
    }
    if keys.is_empty() {
        return Err(advice::invalid(
            "No card in your readers holds a key that an HSM could register. Insert your card, or generate a new key \
             with --generate.",
        ));
    }
    let listed = list(&keys);
    let mut wanted = keys
        .into_iter()
        .filter(|key| name.is_none_or(|name| key.has_name(name)));
    match (wanted.next(), wanted.next()) {
        (Some(key), None) => Ok(key),
        (None, _) => Err(advice::invalid(format!(
            "No key has this label or key ID. These keys can be exported:\n{listed}"
        ))),
        (Some(_), Some(_)) => Err(advice::invalid(format!(
            "Several keys match. Choose one with --key and its label, or its key ID if labels are the same:\n{listed}"
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
/// The card is not found, the user cancels, or the card refuses.
pub fn generate(
    readers: &CardReaders,
    prompts: &Prompts,
    serial: Option<&str>,
    label: &str,
    chr: &Chr,
) -> Result<ExportedKey, HelperError> {
    let (label, chr) = check_new_key(label, chr)?;
    let card = choose_card(readers.cards(), serial)?;
    let request = NewKeyRequest {
        card: card.device.id().clone(),
        card_label: card.label.clone(),
        label,
        chr,
    };
    let purpose = PinPurpose {
        action: "Generate key",
        text: format!("Generate key {}", request.chr),
    };
    let caller = Caller::new(Deadline::unlimited(), Box::new(|_| {}));
    let prompt = prompts.try_acquire().ok_or_else(advice::busy)?;
    let consent = Consent::obtain(request, &prompt, caller.deadline())?;
    let mut session = unlock(readers, &card, purpose, &prompt, &caller)?;
    let (key, file) = session.generate_key(&consent)?;
    ExportedKey::new(readers, &card, key, file)
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
            "No usable card is in your readers. Run `countersign-helper readers` for details.",
        )),
        _ => Err(advice::invalid(format!(
            "Choose one of these cards with --card and its serial number:\n{}",
            found.join("\n")
        ))),
    }
}
