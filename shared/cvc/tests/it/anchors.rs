//! Trust anchors: simulated roots are trusted only if a program adds them explicitly.

use countersign_cvc::{
    AnchorError, AnchorKind, ChainError, DeviceChain, Role, TrustAnchor, TrustAnchors,
};

use crate::pki::*;

const SIMULATED: &str = "ZZSIMROOT00001";

fn simulated_root() -> Vec<u8> {
    let secret = key([9; 32]);
    certificate([SIMULATED, SIMULATED], &secret, Role::Root, 2055, &secret)
}

fn simulated_anchor() -> TrustAnchor {
    TrustAnchor::from_certificate("simulated", AnchorKind::Simulated, &simulated_root())
        .expect("a simulated root")
}

fn simulated_device() -> DeviceChain {
    let issuer = certificate(
        [SIMULATED, ISSUER_NAME],
        &key(ISSUER_KEY),
        Role::Issuer,
        2045,
        &key([9; 32]),
    );
    DeviceChain::from_ef(&[DEVICE_1, &issuer].concat()).expect("reads")
}

#[test]
fn a_simulated_card_is_rejected_by_name_outside_demo_mode() {
    let error = simulated_device().verify(&TrustAnchors::production().with_test());
    assert_eq!(error, Err(ChainError::SimulatedRoot(chr(SIMULATED))));
}

#[test]
fn a_simulated_card_is_accepted_if_its_root_was_added() {
    let anchors = TrustAnchors::default()
        .with_simulated(simulated_anchor())
        .expect("simulated");
    assert!(anchors.allows(AnchorKind::Simulated));
    let device = simulated_device().verify(&anchors).expect("verifies");
    assert_eq!(device.anchor_kind(), AnchorKind::Simulated);
}

#[test]
fn a_simulated_root_is_accepted_only_as_simulated() {
    let rejected = TrustAnchors::production().with(simulated_anchor());
    assert_eq!(rejected.err(), Some(AnchorError::Simulated(chr(SIMULATED))));
    let disguised =
        TrustAnchor::from_certificate("mine", AnchorKind::Configured, &simulated_root());
    assert_eq!(disguised, Err(AnchorError::Simulated(chr(SIMULATED))));
}

#[test]
fn a_real_root_is_rejected_as_simulated() {
    let wrong = TrustAnchor::from_certificate("mine", AnchorKind::Simulated, ROOT);
    assert_eq!(wrong, Err(AnchorError::NotSimulated(chr(ROOT_NAME))));
    let configured = TrustAnchor::from_certificate("mine", AnchorKind::Configured, ROOT)
        .expect("a configured root");
    let rejected = TrustAnchors::default().with_simulated(configured);
    assert_eq!(
        rejected.err(),
        Some(AnchorError::NotSimulated(chr(ROOT_NAME)))
    );
}

#[test]
fn a_second_root_with_the_same_name_is_rejected() {
    let secret = key([9; 32]);
    let impostor = certificate([ROOT_NAME, ROOT_NAME], &secret, Role::Root, 2055, &secret);
    let impostor = TrustAnchor::from_certificate("impostor", AnchorKind::Configured, &impostor)
        .expect("self-signed");
    assert_eq!(
        anchors().with(impostor).err(),
        Some(AnchorError::NameTaken(chr(ROOT_NAME)))
    );
}

#[test]
fn configuring_a_root_twice_has_no_effect() {
    let again =
        TrustAnchor::from_certificate("again", AnchorKind::Configured, ROOT).expect("a root");
    assert_eq!(anchors().with(again).map(|all| all.iter().count()), Ok(1));
}

#[test]
fn only_added_kinds_of_anchor_are_allowed() {
    let anchors = TrustAnchors::production();
    assert!(anchors.allows(AnchorKind::Production));
    for kind in [
        AnchorKind::Test,
        AnchorKind::Configured,
        AnchorKind::Simulated,
    ] {
        assert!(!anchors.allows(kind));
    }
    assert!(anchors.with_test().allows(AnchorKind::Test));
}
