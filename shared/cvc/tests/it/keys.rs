//! Encodings of keys that other software reads and writes.

use countersign_cvc::{Curve, EcSecretKey, Fingerprint, PublicKey, SpkiError};

use crate::pki::*;

/// The public key that openssl derived from the same private key.
const PEM: &str = include_str!("../../testdata/annex-custodian.pub.pem");
/// SHA-256 over the DER that openssl wrote.
const FINGERPRINT: &str = "f6b98858619d41713d7fbba6bdfb992ce6c3cc8446bafadfd6cd8454775d94f4";

#[test]
fn pem_matches_the_one_of_openssl() {
    let public = key(CUSTODIAN_KEY).public_key();
    assert_eq!(public.to_spki_pem(), PEM);
    assert_eq!(PublicKey::from_spki_pem(PEM), Ok(public));
}

#[test]
fn a_fingerprint_is_shown_as_hex_and_as_words() {
    let fingerprint = key(CUSTODIAN_KEY).public_key().fingerprint();
    assert_eq!(fingerprint.to_hex(), FINGERPRINT);
    assert_eq!(
        fingerprint.words(),
        ["quartz", "laptop", "fountain", "crane", "danger", "helmet"]
    );
    let json = serde_json::to_string(&fingerprint).expect("writes");
    assert_eq!(json, format!("\"{FINGERPRINT}\""));
    let read: Fingerprint = serde_json::from_str(&json).expect("reads");
    assert_eq!(read, fingerprint);
}

#[test]
fn a_key_survives_json() {
    let ec = key(CUSTODIAN_KEY).public_key();
    let json = serde_json::to_string(&ec).expect("writes");
    assert!(json.starts_with(r#"{"type":"ec","curve":"brainpoolP256r1","point":"0453604ec9"#));
    assert_eq!(serde_json::from_str::<PublicKey>(&json).expect("reads"), ec);
    let off_curve = r#"{"type":"ec","curve":"secp256r1","point":"0400"}"#;
    assert!(serde_json::from_str::<PublicKey>(off_curve).is_err());
}

#[test]
fn a_text_or_der_that_is_not_a_key_is_rejected() {
    assert_eq!(PublicKey::from_spki_pem("hello"), Err(SpkiError::NoPem));
    let mut der = key(CUSTODIAN_KEY).public_key().to_spki_der();
    let oid = Curve::BrainpoolP256r1.oid();
    let at = position(&der, oid) + oid.len() - 1;
    der[at] = 0x7E;
    assert_eq!(PublicKey::from_spki_der(&der), Err(SpkiError::UnknownCurve));
    der.push(0);
    assert!(matches!(
        PublicKey::from_spki_der(&der),
        Err(SpkiError::Tlv(_))
    ));
}

/// RFC 6979, appendix A.2.5. The test also shows that signatures are deterministic.
#[test]
fn signatures_match_rfc_6979() {
    let scalar =
        hex_literal::hex!("C9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721");
    let secret = EcSecretKey::from_bytes(Curve::Secp256r1, &scalar).expect("a scalar");
    let digest: [u8; 32] = sha2::Digest::finalize(sha2::Digest::chain_update(
        <sha2::Sha256 as sha2::Digest>::new(),
        b"sample",
    ))
    .into();
    let signature = secret.sign_prehash(&digest).expect("signs");
    assert_eq!(
        signature.to_plain(),
        hex_literal::hex!(
            "EFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716"
            "F7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8"
        )
    );
}

#[test]
fn a_scalar_of_wrong_length_or_range_is_rejected() {
    for length in [0, 24, 31, 33] {
        assert!(EcSecretKey::from_bytes(Curve::Secp256r1, &vec![7; length]).is_err());
    }
    assert!(EcSecretKey::from_bytes(Curve::Secp256r1, &[0; 32]).is_err());
    assert!(EcSecretKey::from_bytes(Curve::Secp256r1, &[0xFF; 32]).is_err());
}
