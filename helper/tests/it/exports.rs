//! `.pka` files for HSMs that are set up without the portal.

use std::sync::Arc;

use countersign_helper::{
    cards::{CardReaders, SimulatedSource},
    export,
    prompt::{Prompts, scripted::ScriptedPrompt, scripted::Shown},
};
use countersign_protocol::{
    cvc::{Chr, PkaFile, attestation},
    helper::HelperErrorCode,
};

use crate::support::{PIN, TestCard, anchors};

fn desk(cards: &[&TestCard]) -> CardReaders {
    let named = cards
        .iter()
        .map(|card| ("card".to_owned(), card.simulator.clone()));
    CardReaders::new(vec![Arc::new(SimulatedSource::new(named))], anchors())
}

fn new_name() -> Chr {
    "DENEWKEY00001".parse().unwrap()
}

/// Generates on the only card, with this person at the machine.
fn generate(
    card: &TestCard,
    user: &Arc<ScriptedPrompt>,
) -> Result<export::ExportedKey, HelperErrorCode> {
    let prompts = Prompts::new(user.clone());
    export::generate(&desk(&[card]), &prompts, None, "spare", &new_name())
        .map_err(|error| error.code)
}

#[test]
fn the_only_key_needs_no_name_and_no_pin() {
    let card = TestCard::brainpool(1);
    let exported = export::find(&desk(&[&card]), None).unwrap();
    assert_eq!(exported.key.fingerprint, card.key);
    let file = PkaFile::parse(&exported.file.to_old_format()).unwrap();
    let attested = attestation::verify(&file, &anchors()).unwrap();
    assert_eq!(attested.chr().as_str(), "DECUST100001");
    assert_eq!(file.chain.device, card.device.chain().device);
}

#[test]
fn several_keys_are_told_apart_by_label_or_name() {
    let (one, two) = (TestCard::brainpool(1), TestCard::brainpool(2));
    let desk = desk(&[&one, &two]);
    let error = export::find(&desk, None).err().unwrap();
    assert!(error.message.contains("custodian 1") && error.message.contains("DECUST200001"));
    for name in ["custodian 2", "DECUST200001"] {
        let found = export::find(&desk, Some(name)).unwrap();
        assert_eq!(found.key.fingerprint, two.key);
    }
    let error = export::find(&desk, Some("custodian 3")).err().unwrap();
    assert!(error.message.contains("custodian 1"));
}

#[test]
fn a_key_that_no_hsm_registers_is_not_exported() {
    let rsa = TestCard::new(1, countersign_card::KeyKind::Rsa(2048));
    assert!(export::find(&desk(&[&rsa]), None).is_err());
}

#[test]
fn a_new_key_is_generated_after_consent_and_pin() {
    let card = TestCard::brainpool(1);
    let user = Arc::new(ScriptedPrompt::agreeable(PIN));
    let exported = generate(&card, &user).unwrap();
    assert_eq!(exported.file.request.chr(), &new_name());
    assert_eq!(exported.key.label, "spare");
    let shown = user.shown();
    assert!(
        matches!(&shown[..], [Shown::Consent(what), Shown::Pin(_)]
            if what.contains("DENEWKEY00001") && what.contains(card.device.id().serial())),
        "{shown:?}"
    );
    // It is the one on the card, which is logged out.
    let found = export::find(&desk(&[&card]), Some("spare")).unwrap();
    assert!(found.file == exported.file);
    assert_eq!(card.pin_status(), [0x63, 0xC3]);
}

#[test]
fn without_consent_or_pin_nothing_is_generated() {
    let card = TestCard::brainpool(1);
    let declines = Arc::new(ScriptedPrompt::agreeable(PIN));
    declines.consents(false);
    let refused = generate(&card, &declines).err();
    assert_eq!(refused, Some(HelperErrorCode::Declined));
    assert_eq!(card.pin_status(), [0x63, 0xC3]);

    let mistyped = Arc::new(ScriptedPrompt::agreeable("000000"));
    let refused = generate(&card, &mistyped).err();
    assert_eq!(refused, Some(HelperErrorCode::PinWrong));
    assert_eq!(card.pin_status(), [0x63, 0xC2], "one try");
    // Still the only key.
    assert!(export::find(&desk(&[&card]), None).is_ok());
}

#[test]
fn with_several_cards_one_must_be_named() {
    let (one, two) = (TestCard::brainpool(1), TestCard::brainpool(2));
    let desk = desk(&[&one, &two]);
    let prompts = Prompts::new(Arc::new(ScriptedPrompt::agreeable(PIN)));
    let serial = two.device.id().serial();
    let error = export::generate(&desk, &prompts, None, "spare", &new_name());
    assert!(error.err().unwrap().message.contains(serial));
    let made = export::generate(&desk, &prompts, Some(serial), "spare", &new_name()).unwrap();
    assert_eq!(&made.card, two.device.id());
}
