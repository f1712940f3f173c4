//! Worked vectors: CardContact's roots, a public sample of Pico HSM, and a test PKI of our own.

#![allow(clippy::expect_used, reason = "tests")]

use countersign_cvc::{
    AnchorKind, AttestationError, AuthenticatedRequest, Certificate, ChainError, Chr, Curve,
    DeviceChain, EcPublicKey, EcSecretKey, EcSignature, PkaFile, PublicKey, TrustAnchor,
    TrustAnchors, attestation,
    issue::{self, NewCertificate},
};
use hex_literal::hex;
use proptest::prelude::*;
use sha2::{Digest, Sha256};

const ROOT: &[u8] = include_bytes!("../testdata/annex-root.cvc");
const ISSUER: &[u8] = include_bytes!("../testdata/annex-issuer.cvc");
const DEVICE_1: &[u8] = include_bytes!("../testdata/annex-device-1.cvc");
const DEVICE_2: &[u8] = include_bytes!("../testdata/annex-device-2.cvc");
const REQUEST: &[u8] = include_bytes!("../testdata/annex-request.cvc");

/// Private keys of the test PKI: worthless by design, `SHA-256(name) mod (n-1) + 1`.
const DEVICE_1_KEY: [u8; 32] =
    hex!("095FF8355F56DDC8FC43DD70B551B663091D079C64BEC2307E0ECDF8AA5F407D");
const CUSTODIAN_KEY: [u8; 32] =
    hex!("772E5493D294FDE4B5B2393EDA575861895271FB89A1EA9D366D6312FC309A48");

fn anchors() -> TrustAnchors {
    let root =
        TrustAnchor::from_certificate("test PKI", AnchorKind::Configured, ROOT).expect("a root");
    TrustAnchors::default()
        .with(root)
        .expect("a configured root")
}

fn key(scalar: [u8; 32]) -> EcSecretKey {
    EcSecretKey::from_bytes(Curve::BrainpoolP256r1, &scalar).expect("a scalar")
}

fn chr(name: &str) -> Chr {
    name.parse().expect("a name")
}

fn triple(request: &[u8], device: &[u8], issuer: &[u8]) -> Vec<u8> {
    countersign_cvc::tlv::TlvWriter::new()
        .with_raw(request)
        .with_raw(device)
        .with_raw(issuer)
        .wrap(countersign_cvc::tlv::Tag(0x30))
}

fn attest(
    request: &[u8],
    device: &[u8],
    issuer: &[u8],
) -> Result<attestation::AttestedKey, AttestationError> {
    attestation::verify(
        &PkaFile::parse(&triple(request, device, issuer))?,
        &anchors(),
    )
}

#[test]
fn a_device_chain_verifies() {
    let chain = DeviceChain::from_ef(&[DEVICE_2, ISSUER].concat()).expect("two certificates");
    let device = chain.verify(&anchors()).expect("a good chain");
    assert_eq!(device.id().as_str(), "ZZSIM00000200001");
    assert_eq!(device.id().serial(), "ZZSIM000002");
    assert_eq!(device.path(), "/ZZTSTROOT/ZZTSTDICA/ZZSIM000002");
    assert_eq!(device.public_key().curve(), Some(Curve::BrainpoolP256r1));
}

#[test]
fn filler_behind_the_certificates_is_ignored() {
    assert!(DeviceChain::from_ef(&[DEVICE_2, ISSUER, &[0, 0, 0]].concat()).is_ok());
}

#[test]
fn a_key_request_attests_its_key() {
    let attested = attest(REQUEST, DEVICE_1, ISSUER).expect("attested");
    assert_eq!(attested.chr().as_str(), "ZZCUSTOD100001");
    assert_eq!(attested.public_key(), &key(CUSTODIAN_KEY).public_key());
    assert_eq!(attested.check_custodian_policy(), Ok(()));
}

#[test]
fn both_file_formats_are_read_and_written() {
    let old = triple(REQUEST, DEVICE_1, ISSUER);
    assert_eq!((old.len(), &old[..4]), (961, hex!("308203BD").as_slice()));
    let file = PkaFile::parse(&old).expect("reads");
    assert_eq!(file.to_old_format(), old);

    let new = file.to_new_format();
    assert_eq!((new.len(), &new[..4]), (984, hex!("308203D4").as_slice()));
    assert_eq!(PkaFile::parse(&new), Ok(file));
}

#[test]
fn certificates_are_told_apart_by_name_not_by_order() {
    let swapped = triple(REQUEST, ISSUER, DEVICE_1);
    let file = PkaFile::parse(&swapped).expect("reads");
    assert_eq!(file.chain.device.chr().as_str(), "ZZSIM00000100001");
}

#[test]
fn issuing_again_gives_the_same_bytes() {
    let custodian = chr("ZZCUSTOD100001");
    let request = issue::request(&custodian, &custodian, &key(CUSTODIAN_KEY)).expect("signs");
    let authenticated =
        issue::authenticated_request(&request, &chr("ZZSIM00000100001"), &key(DEVICE_1_KEY))
            .expect("signs");
    assert_eq!(authenticated, REQUEST);
}

#[test]
fn a_pka_response_is_the_worked_one() {
    let digest =
        Sha256::digest([b"ZZSIM00000200001".as_slice(), &hex!("0123456789ABCDEF")].concat());
    assert_eq!(
        digest[..],
        hex!("71CDFB15219D1DDB0268FC187F3DB7820D1C0E649F571CFE71B93AFD64A29736")
    );
    let signature = key(CUSTODIAN_KEY).sign_prehash(&digest).expect("signs");
    let expected = hex!(
        "497D7553F2E0E5E40C530040608D1135C4EE1C96CB1D6FF61CD205B062D64A6E"
        "6545B2A877D0B260879A6B8340BFA8E0461C4336DE62521A15E06D8B0BBA49F8"
    );
    assert_eq!(signature.to_plain(), expected);
    let der = hex!(
        "30440220497D7553F2E0E5E40C530040608D1135C4EE1C96CB1D6FF61CD205B062D64A6E"
        "02206545B2A877D0B260879A6B8340BFA8E0461C4336DE62521A15E06D8B0BBA49F8"
    );
    assert_eq!(signature.to_der(), der);
}

/// Pico HSM's public sample: device and issuer keys on secp256k1 without parameters of their own.
#[test]
fn a_foreign_implementation_verifies() {
    let root = TrustAnchor::from_certificate(
        "pico",
        AnchorKind::Configured,
        include_bytes!("../testdata/pico-root-2.cvc"),
    )
    .expect("a root");
    let anchors = TrustAnchors::default().with(root).expect("configured");
    let file = PkaFile::parse(&triple(
        include_bytes!("../testdata/pico-request.cvc"),
        include_bytes!("../testdata/pico-device.cvc"),
        include_bytes!("../testdata/pico-issuer.cvc"),
    ))
    .expect("reads");
    let attested = attestation::verify(&file, &anchors).expect("attested");
    assert_eq!(
        attested.device().public_key().curve(),
        Some(Curve::Secp256k1)
    );
    assert_eq!(attested.public_key().curve(), Some(Curve::BrainpoolP256r1));
}

#[test]
fn pico_roots_are_trusted_by_nobody_unasked() {
    let chain = DeviceChain::from_ef(
        &[
            include_bytes!("../testdata/pico-device.cvc").as_slice(),
            include_bytes!("../testdata/pico-issuer.cvc"),
        ]
        .concat(),
    )
    .expect("reads");
    let anchors = TrustAnchors::production().with_test();
    assert!(matches!(
        chain.verify(&anchors),
        Err(ChainError::UnknownRoot(_))
    ));
}

/// Every way to forge an enrolment has its own reason.
mod forged {
    use super::*;

    fn device_signed(request: &[u8], signer: &EcSecretKey) -> Vec<u8> {
        issue::authenticated_request(request, &chr("ZZSIM00000100001"), signer).expect("signs")
    }

    fn own_request(secret: &EcSecretKey) -> Vec<u8> {
        let name = chr("ZZCUSTOD100001");
        issue::request(&name, &name, secret).expect("signs")
    }

    #[test]
    fn a_software_key_is_not_signed_by_a_device() {
        let software = key([9; 32]);
        let request = device_signed(&own_request(&software), &software);
        assert!(matches!(
            attest(&request, DEVICE_1, ISSUER),
            Err(AttestationError::OuterSignature(_))
        ));
    }

    #[test]
    fn a_swapped_public_key_is_not_signed_by_itself() {
        // Somebody with the device lets it sign a request in which another key stands.
        let good = own_request(&key(CUSTODIAN_KEY));
        let other = key([9; 32]);
        let find = key(CUSTODIAN_KEY).ec_public_key().point().to_vec();
        let at = good
            .windows(find.len())
            .position(|window| window == find)
            .expect("the point");
        let mut swapped = good;
        swapped[at..at + find.len()].copy_from_slice(other.ec_public_key().point());
        let request = device_signed(&swapped, &key(DEVICE_1_KEY));
        assert!(matches!(
            attest(&request, DEVICE_1, ISSUER),
            Err(AttestationError::InnerSignature(_))
        ));
    }

    #[test]
    fn another_device_s_certificate_does_not_help() {
        assert!(matches!(
            attest(REQUEST, DEVICE_2, ISSUER),
            Err(AttestationError::OtherDevice { .. })
        ));
    }

    #[test]
    fn a_wrong_issuer_is_named() {
        assert!(matches!(
            attest(
                REQUEST,
                DEVICE_1,
                include_bytes!("../testdata/pico-issuer.cvc")
            ),
            Err(AttestationError::Chain(ChainError::WrongIssuer { .. }))
        ));
    }

    #[test]
    fn an_issuer_with_the_right_name_and_the_wrong_key_is_refused() {
        let forger = key([9; 32]);
        let date = Certificate::parse(ISSUER)
            .expect("reads")
            .effective()
            .expect("a date");
        let issuer = issue::certificate(
            &NewCertificate {
                car: &chr("ZZTSTROOT00001"),
                chr: &chr("ZZTSTDICA00001"),
                key: &forger.public_key(),
                role: countersign_cvc::Role::Issuer,
                validity: (date, date),
            },
            &forger,
        )
        .expect("signs");
        assert!(matches!(
            attest(REQUEST, DEVICE_1, &issuer),
            Err(AttestationError::Chain(ChainError::IssuerSignature { .. }))
        ));
    }

    #[test]
    fn a_changed_device_certificate_is_refused() {
        let mut device = DEVICE_1.to_vec();
        let last = device.len() - 1;
        device[last] ^= 1;
        assert!(matches!(
            attest(REQUEST, &device, ISSUER),
            Err(AttestationError::Chain(ChainError::DeviceSignature { .. }))
        ));
    }

    #[test]
    fn an_unknown_root_is_named() {
        let file = PkaFile::parse(&triple(REQUEST, DEVICE_1, ISSUER)).expect("reads");
        assert_eq!(
            attestation::verify(&file, &TrustAnchors::production()),
            Err(AttestationError::Chain(ChainError::UnknownRoot(chr(
                "ZZTSTROOT00001"
            ))))
        );
    }

    #[test]
    fn keys_that_cannot_answer_a_challenge_are_refused() {
        let p384 = EcSecretKey::from_bytes(Curve::Secp384r1, &[5; 48]).expect("a scalar");
        let request = device_signed(&own_request(&p384), &key(DEVICE_1_KEY));
        let attested = attest(&request, DEVICE_1, ISSUER).expect("attested, but");
        assert_eq!(
            attested.check_custodian_policy(),
            Err(AttestationError::UnsuitableKey {
                found: "EC secp384r1".into()
            })
        );
    }

    #[test]
    fn parameters_of_no_named_curve_are_refused() {
        let mut request = REQUEST.to_vec();
        let generator = Curve::BrainpoolP256r1.domain_parameters().g;
        let at = request
            .windows(generator.len())
            .position(|window| window == generator)
            .expect("generator");
        request[at + 40] ^= 1;
        assert!(
            matches!(AuthenticatedRequest::parse(&request), Err(error) if error.to_string().contains("parameters"))
        );
    }

    #[test]
    fn bytes_behind_the_file_are_refused() {
        let mut file = triple(REQUEST, DEVICE_1, ISSUER);
        file.push(0);
        assert!(PkaFile::parse(&file).is_err());
    }
}

#[test]
fn keys_survive_json_and_pem() {
    let ec = key(CUSTODIAN_KEY).public_key();
    let json = serde_json::to_string(&ec).expect("writes");
    assert_eq!(serde_json::from_str::<PublicKey>(&json).expect("reads"), ec);
    assert_eq!(PublicKey::from_spki_pem(&ec.to_spki_pem()), Ok(ec));
    assert!(
        serde_json::from_str::<PublicKey>(r#"{"type":"ec","curve":"secp256r1","point":"0400"}"#)
            .is_err()
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn no_bytes_make_a_parser_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        let _ = Certificate::parse(&bytes);
        let _ = AuthenticatedRequest::parse(&bytes);
        let _ = PkaFile::parse(&bytes);
        let _ = DeviceChain::from_ef(&bytes);
        let _ = PublicKey::from_spki_der(&bytes);
    }

    #[test]
    fn one_changed_byte_is_never_attested(position in 0usize..961, change in 1u8..) {
        let mut file = triple(REQUEST, DEVICE_1, ISSUER);
        file[position] ^= change;
        if let Ok(parsed) = PkaFile::parse(&file) {
            let good = PkaFile::parse(&triple(REQUEST, DEVICE_1, ISSUER)).expect("reads");
            // Non-minimal lengths aside, whatever is read differs and must be refused.
            prop_assert!(parsed == good || attestation::verify(&parsed, &anchors()).is_err());
        }
    }

    #[test]
    fn signatures_verify_with_the_public_half(scalar in proptest::array::uniform32(1u8..0x7F), message: Vec<u8>) {
        let secret = key(scalar);
        let digest = Sha256::digest(&message);
        let signature = secret.sign_prehash(&digest).expect("signs");
        let point = EcPublicKey::new(Curve::BrainpoolP256r1, secret.ec_public_key().point()).expect("a point");
        prop_assert!(point.verify_prehash(&digest, &signature).is_ok());
        prop_assert!(EcSignature::from_plain(&signature.to_plain(), Curve::BrainpoolP256r1).is_ok());
    }
}
