//! A public sample of Pico HSM, whose device and issuer keys are on secp256k1 and have no curve parameters.

use countersign_cvc::{
    AnchorKind, ChainError, Curve, DeviceChain, PkaFile, TrustAnchor, TrustAnchors, attestation,
};

use crate::pki::pka_file;

const OLD_ROOT: &[u8] = include_bytes!("../../testdata/pico-root-1.cvc");
const ROOT: &[u8] = include_bytes!("../../testdata/pico-root-2.cvc");
const ISSUER: &[u8] = include_bytes!("../../testdata/pico-issuer.cvc");
const DEVICE: &[u8] = include_bytes!("../../testdata/pico-device.cvc");
const REQUEST: &[u8] = include_bytes!("../../testdata/pico-request.cvc");

fn configured(data: &[u8]) -> TrustAnchor {
    TrustAnchor::from_certificate("pico", AnchorKind::Configured, data).expect("a root")
}

#[test]
fn both_roots_are_self_signed() {
    assert_eq!(configured(OLD_ROOT).key().curve(), Some(Curve::Secp256r1));
    assert_eq!(configured(ROOT).key().curve(), Some(Curve::Secp256k1));
}

#[test]
fn a_key_of_another_implementation_is_attested() {
    let anchors = TrustAnchors::default()
        .with(configured(ROOT))
        .expect("configured");
    let file = PkaFile::parse(&pka_file(REQUEST, DEVICE, ISSUER)).expect("reads");
    let attested = attestation::verify(&file, &anchors).expect("attested");
    assert_eq!(
        attested.device().public_key().curve(),
        Some(Curve::Secp256k1)
    );
    assert_eq!(attested.public_key().curve(), Some(Curve::BrainpoolP256r1));
}

/// These roots certify any board, so a program must not trust them by default.
#[test]
fn its_roots_are_not_trusted_by_default() {
    let chain = DeviceChain::from_ef(&[DEVICE, ISSUER].concat()).expect("reads");
    assert!(matches!(
        chain.verify(&TrustAnchors::production().with_test()),
        Err(ChainError::UnknownRoot(_))
    ));
}

/// The older root must not be accepted in place of the newer one.
#[test]
fn a_chain_under_the_newer_root_is_rejected_with_the_older_root() {
    let anchors = TrustAnchors::default()
        .with(configured(OLD_ROOT))
        .expect("configured");
    let chain = DeviceChain::from_ef(&[DEVICE, ISSUER].concat()).expect("reads");
    assert!(matches!(
        chain.verify(&anchors),
        Err(ChainError::UnknownRoot(_))
    ));
}
