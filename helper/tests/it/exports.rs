//! The export of `.pka` files for HSMs that are set up without the portal.

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

fn readers(cards: &[&TestCard]) -> CardReaders {
    let named = cards
        .iter()
        .map(|card| ("card".to_owned(), card.simulator.clone()));
    CardReaders::new(vec![Arc::new(SimulatedSource::new(named))], anchors())
}

fn new_name() -> Chr {
    "DENEWKEY00001".parse().unwrap()
}

/// Generates a key on the only card.
fn generate(
    card: &TestCard,
    user: &Arc<ScriptedPrompt>,
) -> Result<export::ExportedKey, HelperErrorCode> {
    let prompts = Prompts::new(user.clone());
    export::generate(&readers(&[card]), &prompts, None, "spare", &new_name())
        .map_err(|error| error.code)
}

#[test]
fn the_only_key_needs_no_name_and_no_pin() {
    let card = TestCard::with_ec_key(1);
    let exported = export::find(&readers(&[&card]), None).unwrap();
    assert_eq!(exported.key.fingerprint, card.key);
    let file = PkaFile::parse(&exported.file.to_old_format()).unwrap();
    let attested = attestation::verify(&file, &anchors()).unwrap();
    assert_eq!(attested.chr().as_str(), "DECUST100001");
    assert_eq!(file.chain.device, card.device.chain().device);
}

#[test]
fn one_of_several_keys_is_selected_by_label_or_key_id() {
    let (one, two) = (TestCard::with_ec_key(1), TestCard::with_ec_key(2));
    let readers = readers(&[&one, &two]);
    let error = export::find(&readers, None).err().unwrap();
    assert!(error.message.contains("custodian 1") && error.message.contains("DECUST200001"));
    for name in ["custodian 2", "DECUST200001"] {
        let found = export::find(&readers, Some(name)).unwrap();
        assert_eq!(found.key.fingerprint, two.key);
    }
    let error = export::find(&readers, Some("custodian 3")).err().unwrap();
    assert!(error.message.contains("custodian 1"));
}

#[test]
fn a_key_that_an_hsm_cannot_register_is_not_exported() {
    let rsa = TestCard::new(1, countersign_card::KeyKind::Rsa(2048));
    assert!(export::find(&readers(&[&rsa]), None).is_err());
}

#[test]
fn a_new_key_is_generated_after_consent_and_pin() {
    let card = TestCard::with_ec_key(1);
    let user = Arc::new(ScriptedPrompt::approving(PIN));
    let exported = generate(&card, &user).unwrap();
    assert_eq!(exported.file.request.chr(), &new_name());
    assert_eq!(exported.key.label, "spare");
    let shown = user.shown();
    assert!(
        matches!(&shown[..], [Shown::Consent(what), Shown::Pin(_)]
            if what.contains("DENEWKEY00001") && what.contains(card.device.id().serial())),
        "{shown:?}"
    );
    // The key is on the card, and the card is logged out.
    let found = export::find(&readers(&[&card]), Some("spare")).unwrap();
    assert!(found.file == exported.file);
    assert_eq!(card.pin_status(), [0x63, 0xC3]);
}

#[test]
fn without_consent_or_pin_nothing_is_generated() {
    let card = TestCard::with_ec_key(1);
    let user = Arc::new(ScriptedPrompt::approving(PIN));
    user.answer_consents(false);
    let refused = generate(&card, &user).err();
    assert_eq!(refused, Some(HelperErrorCode::Cancelled));
    assert_eq!(card.pin_status(), [0x63, 0xC3]);

    let user = Arc::new(ScriptedPrompt::approving("000000"));
    let refused = generate(&card, &user).err();
    assert_eq!(refused, Some(HelperErrorCode::PinWrong));
    assert_eq!(card.pin_status(), [0x63, 0xC2], "one try");
    // The card still holds only one key.
    assert!(export::find(&readers(&[&card]), None).is_ok());
}

#[test]
fn with_several_cards_one_must_be_selected() {
    let (one, two) = (TestCard::with_ec_key(1), TestCard::with_ec_key(2));
    let readers = readers(&[&one, &two]);
    let prompts = Prompts::new(Arc::new(ScriptedPrompt::approving(PIN)));
    let serial = two.device.id().serial();
    let error = export::generate(&readers, &prompts, None, "spare", &new_name());
    assert!(error.err().unwrap().message.contains(serial));
    let exported =
        export::generate(&readers, &prompts, Some(serial), "spare", &new_name()).unwrap();
    assert_eq!(&exported.card, two.device.id());
}
