//! Pico HSM's public sample: device and issuer keys on secp256k1 without parameters of their own.

use countersign_cvc::{
    AnchorKind, ChainError, Curve, DeviceChain, PkaFile, TrustAnchor, TrustAnchors, attestation,
};

use crate::pki::triple;

const OLD_ROOT: &[u8] = include_bytes!("../../testdata/pico-root-1.cvc");
const ROOT: &[u8] = include_bytes!("../../testdata/pico-root-2.cvc");
const ISSUER: &[u8] = include_bytes!("../../testdata/pico-issuer.cvc");
const DEVICE: &[u8] = include_bytes!("../../testdata/pico-device.cvc");
const REQUEST: &[u8] = include_bytes!("../../testdata/pico-request.cvc");

fn configured(data: &[u8]) -> TrustAnchor {
    TrustAnchor::from_certificate("pico", AnchorKind::Configured, data).expect("a root")
}

#[test]
fn both_roots_are_signed_by_themselves() {
    assert_eq!(configured(OLD_ROOT).key().curve(), Some(Curve::Secp256r1));
    assert_eq!(configured(ROOT).key().curve(), Some(Curve::Secp256k1));
}

#[test]
fn a_foreign_implementation_verifies() {
    let anchors = TrustAnchors::default()
        .with(configured(ROOT))
        .expect("configured");
    let file = PkaFile::parse(&triple(REQUEST, DEVICE, ISSUER)).expect("reads");
    let attested = attestation::verify(&file, &anchors).expect("attested");
    assert_eq!(
        attested.device().public_key().curve(),
        Some(Curve::Secp256k1)
    );
    assert_eq!(attested.public_key().curve(), Some(Curve::BrainpoolP256r1));
}

/// Their keys certify any board.
#[test]
fn its_roots_are_trusted_by_nobody_unasked() {
    let chain = DeviceChain::from_ef(&[DEVICE, ISSUER].concat()).expect("reads");
    assert!(matches!(
        chain.verify(&TrustAnchors::production().with_test()),
        Err(ChainError::UnknownRoot(_))
    ));
}

/// The older root must not stand in for the newer.
#[test]
fn the_other_root_does_not_help() {
    let anchors = TrustAnchors::default()
        .with(configured(OLD_ROOT))
        .expect("configured");
    let chain = DeviceChain::from_ef(&[DEVICE, ISSUER].concat()).expect("reads");
    assert!(matches!(
        chain.verify(&anchors),
        Err(ChainError::UnknownRoot(_))
    ));
}
