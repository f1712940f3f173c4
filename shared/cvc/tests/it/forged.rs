//! Every way to forge an enrolment is rejected with its own reason.

use countersign_cvc::{
    AttestationError, AuthenticatedRequest, Certificate, CertificateError, ChainError, Curve,
    DeviceChain, EcSecretKey, KeyError, PkaFile, PkaFileError, RequestError, Role, SignatureError,
    TrustAnchors, UnsupportedCurve, attestation,
    tlv::{Tag, TlvError, TlvWriter, encode, parse_exact},
};

use crate::pki::*;

#[test]
fn a_software_key_is_not_signed_by_a_device() {
    let software = key([9; 32]);
    let request = device_signed(&own_request(&software), &software);
    assert_eq!(
        attest(&request, DEVICE_1, ISSUER),
        Err(AttestationError::OuterSignature(SignatureError::Wrong))
    );
}

/// An attacker who holds the device lets it sign a request that contains another key.
#[test]
fn a_request_with_a_replaced_key_is_not_signed_by_that_key() {
    let other = key([9; 32]);
    let swapped = with_point(
        own_request(&key(CUSTODIAN_KEY)),
        &key(CUSTODIAN_KEY),
        other.ec_public_key().point(),
    );
    assert_eq!(
        attest(
            &device_signed(&swapped, &key(DEVICE_1_KEY)),
            DEVICE_1,
            ISSUER
        ),
        Err(AttestationError::InnerSignature(SignatureError::Wrong))
    );
}

#[test]
fn the_certificate_of_another_device_is_rejected() {
    assert_eq!(
        attest(REQUEST, DEVICE_2, ISSUER),
        Err(AttestationError::OtherDevice {
            named: chr(DEVICE_1_NAME),
            presented: chr("ZZSIM00000200001"),
        })
    );
}

/// The outer signature covers the name of the device too.
#[test]
fn a_changed_device_name_is_rejected() {
    let mut request = REQUEST.to_vec();
    let at = position(&request, DEVICE_1_NAME.as_bytes());
    request[at..at + 16].copy_from_slice(b"ZZSIM00000200001");
    assert_eq!(
        attest(&request, DEVICE_2, ISSUER),
        Err(AttestationError::OuterSignature(SignatureError::Wrong))
    );
}

#[test]
fn a_wrong_issuer_is_reported_by_name() {
    let pico = include_bytes!("../../testdata/pico-issuer.cvc");
    assert!(matches!(
        attest(REQUEST, DEVICE_1, pico),
        Err(AttestationError::Chain(ChainError::WrongIssuer { .. }))
    ));
}

#[test]
fn an_issuer_with_the_right_name_and_the_wrong_key_is_rejected() {
    let forger = key([9; 32]);
    let names = [ROOT_NAME, ISSUER_NAME];
    let issuer = certificate(names, &forger, Role::Issuer, 2045, &forger);
    assert_eq!(
        attest(REQUEST, DEVICE_1, &issuer),
        Err(AttestationError::Chain(ChainError::IssuerSignature {
            root: chr(ROOT_NAME),
            why: SignatureError::Wrong,
        }))
    );
}

#[test]
fn a_changed_device_certificate_is_rejected() {
    assert_eq!(
        attest(REQUEST, &damaged(DEVICE_1), ISSUER),
        Err(AttestationError::Chain(ChainError::DeviceSignature {
            issuer: chr(ISSUER_NAME),
            why: SignatureError::Wrong,
        }))
    );
}

#[test]
fn an_unknown_root_is_reported_by_name() {
    let file = PkaFile::parse(&good_file()).expect("reads");
    assert_eq!(
        attestation::verify(&file, &TrustAnchors::production().with_test()),
        Err(AttestationError::Chain(ChainError::UnknownRoot(chr(
            ROOT_NAME
        ))))
    );
}

#[test]
fn a_simulated_root_is_reported_by_name() {
    let name = "ZZSIMROOT00001";
    let names = [name, ISSUER_NAME];
    let issuer = certificate(names, &key(ISSUER_KEY), Role::Issuer, 2045, &key([9; 32]));
    assert_eq!(
        attest(REQUEST, DEVICE_1, &issuer),
        Err(AttestationError::Chain(ChainError::SimulatedRoot(chr(
            name
        ))))
    );
}

/// The root certifies an issuer in the same form in which an issuer certifies a device. Presenting the root as the issuer must
/// not turn the issuer into a device.
#[test]
fn an_issuer_is_rejected_as_a_device() {
    let chain = DeviceChain::from_ef(&[ISSUER, ROOT].concat()).expect("reads");
    assert_eq!(
        chain.verify(&anchors()),
        Err(ChainError::RootAsIssuer(chr(ROOT_NAME)))
    );
}

#[test]
fn an_old_development_device_is_rejected() {
    let names = ["DECA00001", "DEDEVICE100001"];
    let device = certificate(names, &key([9; 32]), Role::Device, 2035, &key([8; 32]));
    assert_eq!(
        DeviceChain::from_ef(&device),
        Err(ChainError::DevelopmentDevice)
    );
    assert_eq!(DeviceChain::from_ef(DEVICE_1), Err(ChainError::Count(1)));
    assert_eq!(DeviceChain::from_ef(&[]), Err(ChainError::Count(0)));
}

#[test]
fn kinds_of_key_that_cannot_answer_a_challenge_are_rejected() {
    for (curve, suitable) in [
        (Curve::BrainpoolP256r1, true),
        (Curve::Secp256r1, true),
        (Curve::Secp256k1, false),
        (Curve::Secp384r1, false),
        (Curve::Secp521r1, false),
    ] {
        let mut scalar = vec![5; curve.field_len()];
        scalar[0] = 0;
        let secret = EcSecretKey::from_bytes(curve, &scalar).expect("a scalar");
        let request = device_signed(&own_request(&secret), &key(DEVICE_1_KEY));
        let attested = attest(&request, DEVICE_1, ISSUER).expect("attested");
        let verdict = if suitable {
            Ok(())
        } else {
            Err(AttestationError::UnsuitableKey {
                found: format!("EC {curve}"),
            })
        };
        assert_eq!(attested.check_custodian_policy(), verdict);
    }
}

/// `own_request` with the parameters and a point of `curve`.
fn request_on(curve: Curve) -> Vec<u8> {
    let domain = curve.domain_parameters();
    let object = TlvWriter::new()
        .with(Tag::OID, &[4, 0, 0x7F, 0, 7, 2, 2, 2, 2, 3])
        .with(Tag(0x81), domain.p)
        .with(Tag(0x82), domain.a)
        .with(Tag(0x83), domain.b)
        .with(Tag(0x84), domain.g)
        .with(Tag(0x85), domain.n)
        .with(Tag(0x86), domain.g)
        .with(Tag(0x87), domain.h)
        .finish();
    request_with(&object, &[1].repeat(2 * curve.field_len()))
}

fn request_with(key_object: &[u8], signature: &[u8]) -> Vec<u8> {
    let body = TlvWriter::new()
        .with(Tag::PROFILE, &[0])
        .with(Tag::CAR, CUSTODIAN.as_bytes())
        .with(Tag::PUBLIC_KEY, key_object)
        .with(Tag::CHR, CUSTODIAN.as_bytes())
        .wrap(Tag::BODY);
    TlvWriter::new()
        .with_raw(&body)
        .with(Tag::SIGNATURE, signature)
        .wrap(Tag::CERTIFICATE)
}

#[test]
fn a_key_on_an_unsupported_curve_is_recognised_and_rejected() {
    for curve in [Curve::BrainpoolP384r1, Curve::BrainpoolP512r1] {
        let request = device_signed(&request_on(curve), &key(DEVICE_1_KEY));
        assert_eq!(
            attest(&request, DEVICE_1, ISSUER),
            Err(AttestationError::InnerSignature(
                SignatureError::Unsupported(UnsupportedCurve(curve))
            ))
        );
    }
}

fn rejection(request: &[u8]) -> Option<CertificateError> {
    match AuthenticatedRequest::parse(&device_signed(request, &key(DEVICE_1_KEY))) {
        Err(RequestError::Inner(why)) => Some(why),
        _ => None,
    }
}

#[test]
fn parameters_that_match_no_named_curve_are_rejected() {
    let domain = Curve::BrainpoolP256r1.domain_parameters();
    for parameter in [domain.p, domain.a, domain.b, domain.g, domain.n] {
        let mut request = own_request(&key(CUSTODIAN_KEY));
        let at = position(&request, parameter);
        request[at + parameter.len() - 1] ^= 1;
        assert_eq!(rejection(&request), Some(CertificateError::UnknownCurve));
    }
}

/// Without the prime, the base point must not be accepted unchecked.
#[test]
fn incomplete_parameters_are_rejected() {
    let domain = Curve::BrainpoolP256r1.domain_parameters();
    let object = TlvWriter::new()
        .with(Tag::OID, &[4, 0, 0x7F, 0, 7, 2, 2, 2, 2, 3])
        .with(Tag(0x84), key([9; 32]).ec_public_key().point())
        .with(Tag(0x86), domain.g)
        .finish();
    let missing = CertificateError::Tlv(TlvError::Missing(Tag(0x81)));
    assert_eq!(rejection(&request_with(&object, &[1; 64])), Some(missing));
}

#[test]
fn a_request_without_parameters_is_rejected() {
    let object = TlvWriter::new()
        .with(Tag::OID, &[4, 0, 0x7F, 0, 7, 2, 2, 2, 2, 3])
        .with(Tag(0x86), key(CUSTODIAN_KEY).ec_public_key().point())
        .finish();
    let request = request_with(&object, &[1; 64]);
    assert_eq!(rejection(&request), Some(CertificateError::NoCurve));
}

#[test]
fn a_point_that_is_not_on_the_curve_is_rejected() {
    let secret = key(CUSTODIAN_KEY);
    let mut point = secret.ec_public_key().point().to_vec();
    point[64] ^= 1;
    let request = with_point(own_request(&secret), &secret, &point);
    let off = KeyError::NotOnCurve(Curve::BrainpoolP256r1);
    assert_eq!(rejection(&request), Some(CertificateError::Key(off)));
}

#[test]
fn signatures_of_zeros_or_of_wrong_length_are_rejected() {
    let body = &REQUEST[position(REQUEST, &[0x7F, 0x4E])..position(REQUEST, &[0x5F, 0x37])];
    for signature in [vec![0; 64], vec![1; 63], vec![1; 65], vec![]] {
        let request = TlvWriter::new()
            .with_raw(body)
            .with(Tag::SIGNATURE, &signature)
            .wrap(Tag::CERTIFICATE);
        assert_eq!(
            attest(
                &device_signed(&request, &key(DEVICE_1_KEY)),
                DEVICE_1,
                ISSUER
            ),
            Err(AttestationError::InnerSignature(SignatureError::Malformed(
                Curve::BrainpoolP256r1
            )))
        );
    }
}

#[test]
fn bytes_after_the_file_are_rejected() {
    let mut file = good_file();
    file.push(0);
    assert_eq!(
        PkaFile::parse(&file),
        Err(PkaFileError::Tlv(TlvError::Trailing(1)))
    );
}

#[test]
fn bytes_after_the_request_are_rejected() {
    let mut content = parse_exact(REQUEST).expect("TLV").value.to_vec();
    content.extend(encode(Tag(0x65), &[]));
    assert_eq!(
        AuthenticatedRequest::parse(&encode(Tag::REQUEST, &content)),
        Err(RequestError::NotARequest)
    );
}

#[test]
fn an_unsigned_object_in_a_certificate_is_rejected() {
    let mut content = parse_exact(DEVICE_1).expect("TLV").value.to_vec();
    content.extend(encode(Tag(0x65), &[]));
    assert_eq!(
        Certificate::parse(&encode(Tag::CERTIFICATE, &content)),
        Err(CertificateError::Uncovered(Tag(0x65)))
    );
}

#[test]
fn a_truncated_file_is_rejected() {
    let file = good_file();
    assert_eq!(
        PkaFile::parse(&file[..file.len() - 1]),
        Err(PkaFileError::Tlv(TlvError::Truncated))
    );
}

#[test]
fn a_file_with_other_contents_is_rejected() {
    let two_requests = pka_file(REQUEST, REQUEST, ISSUER);
    let one_certificate = pka_file(REQUEST, DEVICE_1, &[]);
    let three_certificates = pka_file(REQUEST, DEVICE_1, &[ISSUER, ROOT].concat());
    let other_kind = TlvWriter::new()
        .with(Tag::OID, &[0x2A])
        .with_raw(parse_exact(&good_file()).expect("TLV").value)
        .wrap(Tag::SEQUENCE);
    for file in [
        two_requests,
        one_certificate,
        three_certificates,
        other_kind,
    ] {
        assert_eq!(PkaFile::parse(&file), Err(PkaFileError::Contents));
    }
}
