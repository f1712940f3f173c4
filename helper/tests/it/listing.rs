//! What pages learn of readers, cards and keys.

use countersign_card::KeyKind;
use countersign_protocol::{
    cvc::Curve,
    helper::{Answer, CardState, CardView, HelperErrorCode, Operation, PinState},
};

use crate::support::{Rig, TestCard};

fn cards(rig: &Rig) -> Vec<CardView> {
    let Ok(Answer::Cards { readers }) = rig.portal().ask(Operation::ListCards) else {
        panic!()
    };
    readers
        .into_iter()
        .map(|reader| match reader.card {
            CardState::Ready(card) => card,
            other => panic!("{other:?}"),
        })
        .collect()
}

#[test]
fn no_reader_is_an_empty_list() {
    assert_eq!(cards(&Rig::without_cards()), []);
}

#[test]
fn a_card_shows_its_device_keys_and_tries() {
    let rig = Rig::with_card();
    let [card] = &cards(&rig)[..] else { panic!() };
    assert_eq!(card.device, *rig.card().device.id());
    assert_eq!(card.pin, PinState::Ready { tries: Some(3) });
    let [key] = &card.keys[..] else { panic!() };
    assert_eq!(key.fingerprint, rig.card().key);
    assert_eq!(key.label, "custodian 1");
    assert_eq!(key.kind, "EC brainpoolP256r1");
    assert_eq!(key.unsuitable, None);
    assert_eq!(rig.user.shown(), []);
}

#[test]
fn a_key_that_cannot_be_a_custodians_says_why() {
    let rig = Rig::start(vec![TestCard::new(1, KeyKind::Ec(Curve::Secp384r1))]).enrolled();
    let [card] = &cards(&rig)[..] else { panic!() };
    let why = card.keys[0].unsuitable.clone().unwrap();
    assert!(
        why.contains("secp384r1") && why.contains("brainpoolP256r1"),
        "{why}"
    );
    let task = rig.server.log_in();
    let error = rig
        .portal()
        .ask(Operation::LogIn {
            task,
            key: rig.card().key,
        })
        .unwrap_err();
    assert_eq!(error.code, HelperErrorCode::CardRefused);
    assert_eq!(rig.user.shown(), []);
}

#[test]
fn a_card_in_a_session_is_listed_without_disturbing_it() {
    let rig = Rig::with_card().enrolled();
    let mut portal = rig.portal();
    portal
        .ask(Operation::Approve {
            task: rig.server.approve(rig.card().key, &[1; 8]),
        })
        .unwrap();
    assert_eq!(cards(&rig).len(), 1);
    portal.ask(Operation::ListCards).unwrap();
    let again = rig.server.approve(rig.card().key, &[2; 8]);
    portal.ask(Operation::ApproveAgain { task: again }).unwrap();
}
