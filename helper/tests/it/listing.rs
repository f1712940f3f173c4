//! The list of readers, cards and keys that pages receive.

use countersign_card::KeyKind;
use countersign_protocol::{
    cvc::Curve,
    helper::{Answer, CardState, CardView, HelperErrorCode, Operation, PinState},
};

use crate::support::{TestCard, TestHelper};

fn cards(helper: &TestHelper) -> Vec<CardView> {
    let Ok(Answer::Cards { readers }) = helper.portal().request(Operation::ListCards) else {
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
fn without_readers_the_list_is_empty() {
    assert_eq!(cards(&TestHelper::without_cards()), []);
}

#[test]
fn a_card_is_listed_with_its_device_keys_and_pin_tries() {
    let helper = TestHelper::with_card();
    let [card] = &cards(&helper)[..] else {
        panic!()
    };
    assert_eq!(card.device, *helper.card().device.id());
    assert_eq!(card.pin, PinState::Ready { tries: Some(3) });
    let [key] = &card.keys[..] else { panic!() };
    assert_eq!(key.fingerprint, helper.card().key);
    assert_eq!(key.label, "custodian 1");
    assert_eq!(key.kind, "EC brainpoolP256r1");
    assert_eq!(key.unsuitable, None);
    assert_eq!(helper.user.shown(), []);
}

#[test]
fn an_unsuitable_key_is_listed_with_the_reason() {
    let helper =
        TestHelper::start(vec![TestCard::new(1, KeyKind::Ec(Curve::Secp384r1))]).enrolled();
    let [card] = &cards(&helper)[..] else {
        panic!()
    };
    let why = card.keys[0].unsuitable.clone().unwrap();
    assert!(
        why.contains("secp384r1") && why.contains("brainpoolP256r1"),
        "{why}"
    );
    let task = helper.server.log_in();
    let error = helper
        .portal()
        .request(Operation::LogIn {
            task,
            key: helper.card().key,
        })
        .unwrap_err();
    assert_eq!(error.code, HelperErrorCode::CardRefused);
    assert_eq!(helper.user.shown(), []);
}

#[test]
fn listing_does_not_disturb_an_open_session() {
    let helper = TestHelper::with_card().enrolled();
    let mut portal = helper.portal();
    portal
        .request(Operation::Approve {
            task: helper.server.approve(helper.card().key, &[1; 8]),
        })
        .unwrap();
    assert_eq!(cards(&helper).len(), 1);
    portal.request(Operation::ListCards).unwrap();
    let again = helper.server.approve(helper.card().key, &[2; 8]);
    portal
        .request(Operation::ApproveAgain { task: again })
        .unwrap();
}
