//! Test vectors of the test PKI, byte for byte.

use countersign_cvc::{Curve, DeviceChain, EcSignature, PkaFile, Role, split_certificates, tlv};
use hex_literal::hex;
use sha2::{Digest, Sha256};

use crate::pki::*;

#[test]
fn a_device_chain_verifies() {
    let chain = DeviceChain::from_ef(&[DEVICE_2, ISSUER].concat()).expect("two certificates");
    assert_eq!(chain.to_ef().len(), 464);
    let device = chain.verify(&anchors()).expect("a good chain");
    assert_eq!(device.id().as_str(), "ZZSIM00000200001");
    assert_eq!(device.id().serial(), "ZZSIM000002");
    assert_eq!(device.path(), "/ZZTSTROOT/ZZTSTDICA/ZZSIM000002");
    assert_eq!(device.anchor(), "test PKI");
    assert_eq!(device.public_key(), &key(DEVICE_2_KEY).public_key());
}

#[test]
fn filler_after_the_certificates_is_ignored() {
    for filler in [0x00, 0xFF] {
        let ef = [DEVICE_2, ISSUER, &[filler; 3]].concat();
        assert!(DeviceChain::from_ef(&ef).is_ok());
    }
}

/// Some devices append their root, which must be ignored.
#[test]
fn a_root_from_the_card_is_not_trusted() {
    let ef = [DEVICE_2, ISSUER, ROOT].concat();
    assert_eq!(split_certificates(&ef).map(|all| all.len()), Ok(3));
    let chain = DeviceChain::from_ef(&ef).expect("reads");
    assert!(
        chain
            .verify(&countersign_cvc::TrustAnchors::production())
            .is_err()
    );
}

#[test]
fn the_fields_of_a_certificate_are_read() {
    let device = parsed(DEVICE_1);
    assert_eq!(device.car().as_str(), ISSUER_NAME);
    assert_eq!(device.chr().as_str(), DEVICE_1_NAME);
    assert_eq!(device.role(), Some(Role::Device));
    assert_eq!(device.effective(), Some(new_year(2025)));
    assert_eq!(device.expiry(), Some(new_year(2035)));
    assert_eq!((device.raw().len(), device.content().len()), (233, 229));
    assert_eq!(device.signature().len(), 64);
    assert!(device.key().resolve(None).is_err());
    assert!(device.key().resolve(Some(Curve::BrainpoolP256r1)).is_ok());
}

#[test]
fn an_authenticated_request_attests_its_key() {
    let attested = attest(REQUEST, DEVICE_1, ISSUER).expect("attested");
    assert_eq!(attested.chr().as_str(), CUSTODIAN);
    assert_eq!(attested.public_key(), &key(CUSTODIAN_KEY).public_key());
    assert_eq!(attested.device().id().as_str(), DEVICE_1_NAME);
    assert_eq!(attested.check_custodian_policy(), Ok(()));
}

#[test]
fn the_file_is_read_and_written_in_the_old_format() {
    let old = [&hex!("308203BD")[..], REQUEST, DEVICE_1, ISSUER].concat();
    assert_eq!(old.len(), 961);
    let file = PkaFile::parse(&old).expect("reads");
    assert_eq!(file.to_old_format(), old);
    assert_eq!(file.device().chr().as_str(), DEVICE_1_NAME);
    assert_eq!(file.issuer().chr().as_str(), ISSUER_NAME);
}

#[test]
fn the_file_is_read_and_written_in_the_new_format() {
    let new = [
        &hex!("308203D4 060B2B0601040181C31F040301 6181E7")[..],
        ISSUER,
        &hex!("6281E9"),
        DEVICE_1,
        &hex!("638201ED"),
        REQUEST,
    ]
    .concat();
    assert_eq!(new.len(), 984);
    let file = PkaFile::parse(&new).expect("reads");
    assert_eq!(file.to_new_format(), new);
    assert_eq!(PkaFile::parse(&good_file()), Ok(file));
}

#[test]
fn names_and_not_the_order_tell_the_certificates_apart() {
    let swapped = pka_file(REQUEST, ISSUER, DEVICE_1);
    assert_eq!(PkaFile::parse(&swapped), PkaFile::parse(&good_file()));
}

#[test]
fn issuing_again_produces_the_same_bytes() {
    let (root, issuer) = (key(ROOT_KEY), key(ISSUER_KEY));
    let [one, two] = [key(DEVICE_1_KEY), key(DEVICE_2_KEY)];
    let names = [ROOT_NAME, ROOT_NAME];
    assert_eq!(certificate(names, &root, Role::Root, 2055, &root), ROOT);
    let names = [ROOT_NAME, ISSUER_NAME];
    assert_eq!(
        certificate(names, &issuer, Role::Issuer, 2045, &root),
        ISSUER
    );
    let names = [ISSUER_NAME, DEVICE_1_NAME];
    assert_eq!(
        certificate(names, &one, Role::Device, 2035, &issuer),
        DEVICE_1
    );
    let names = [ISSUER_NAME, "ZZSIM00000200001"];
    assert_eq!(
        certificate(names, &two, Role::Device, 2035, &issuer),
        DEVICE_2
    );
    assert_eq!(
        device_signed(&own_request(&key(CUSTODIAN_KEY)), &one),
        REQUEST
    );
}

/// A card may write a length in a longer form than DER.
#[test]
fn a_certificate_with_a_long_form_of_length_is_read() {
    let value = tlv::parse_exact(DEVICE_1).expect("TLV").value;
    let long = [&hex!("7F21 8200E5")[..], value].concat();
    assert_eq!(parsed(&long).chr(), parsed(DEVICE_1).chr());
}

#[test]
fn a_pka_response_matches_the_test_vector() {
    let digest =
        Sha256::digest([b"ZZSIM00000200001".as_slice(), &hex!("0123456789ABCDEF")].concat());
    assert_eq!(
        digest[..],
        hex!("71CDFB15219D1DDB0268FC187F3DB7820D1C0E649F571CFE71B93AFD64A29736")
    );
    let signature = key(CUSTODIAN_KEY).sign_prehash(&digest).expect("signs");
    let plain = hex!(
        "497D7553F2E0E5E40C530040608D1135C4EE1C96CB1D6FF61CD205B062D64A6E"
        "6545B2A877D0B260879A6B8340BFA8E0461C4336DE62521A15E06D8B0BBA49F8"
    );
    assert_eq!(signature.to_plain(), plain);
    let der = hex!(
        "30440220497D7553F2E0E5E40C530040608D1135C4EE1C96CB1D6FF61CD205B062D64A6E"
        "02206545B2A877D0B260879A6B8340BFA8E0461C4336DE62521A15E06D8B0BBA49F8"
    );
    assert_eq!(signature.to_der(), der);
    let read = EcSignature::from_der(&der, Curve::BrainpoolP256r1).expect("reads");
    let public = key(CUSTODIAN_KEY).public_key();
    assert_eq!(public.verify_prehash(&digest, &read), Ok(()));
}
