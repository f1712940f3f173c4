//! Certificates, requests, device chains, `.pka` files and the attestation of keys.

use std::sync::LazyLock;

use countersign_card::KeyKind;
use countersign_cvc::{
    AuthenticatedRequest, Certificate, Curve, DeviceChain, Fingerprint, PkaFile, PublicKey,
    TrustAnchors, attestation, split_certificates,
};
use countersign_simulator::Profile;

use crate::cards::{anchors, card_with_key, custodian};

static FILES: LazyLock<Vec<PkaFile>> = LazyLock::new(|| {
    let rsa = KeyKind::Rsa(2048);
    let p256 = KeyKind::Ec(Curve::Secp256r1);
    vec![
        custodian().1,
        card_with_key("CUST02", Profile::PICO, p256).1,
        card_with_key("CUST03", Profile::VENDOR, rsa).1,
    ]
});

static GENUINE: LazyLock<Vec<Fingerprint>> = LazyLock::new(|| {
    FILES
        .iter()
        .map(|file| file.request.public_key().fingerprint())
        .collect()
});

static ANCHORS: LazyLock<TrustAnchors> = LazyLock::new(anchors);

/// No key is attested but those that a device has attested, and what is parsed keeps its bytes.
pub fn run(data: &[u8]) {
    if let Ok(certificate) = Certificate::parse(data) {
        assert_eq!(certificate.raw(), data);
        let _ = certificate.key().resolve(None);
    }
    if let Ok(request) = AuthenticatedRequest::parse(data) {
        assert_eq!(request.raw(), data);
        let _ = request.verify_inner();
        check_key(request.public_key());
    }
    let _ = split_certificates(data);
    if let Ok(chain) = DeviceChain::from_ef(data)
        && let Ok(device) = chain.verify(&ANCHORS)
    {
        assert!(
            FILES
                .iter()
                .any(|file| file.chain.device == device.chain().device),
            "a device was vouched for that nobody made"
        );
    }
    if let Ok(file) = PkaFile::parse(data) {
        let again = PkaFile::parse(&file.to_new_format()).expect("the format of its own");
        assert_eq!(again.request.raw(), file.request.raw());
        if let Ok(key) = attestation::verify(&file, &ANCHORS) {
            assert!(
                GENUINE.contains(&key.fingerprint()),
                "a key was attested that no device made"
            );
        }
    }
}

/// A key keeps its meaning in the format of other programs.
fn check_key(key: &PublicKey) {
    let der = key.to_spki_der();
    if let Ok(again) = PublicKey::from_spki_der(&der) {
        assert_eq!(again.fingerprint(), key.fingerprint());
    }
}

pub fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for file in FILES.iter() {
        seeds.push(file.to_new_format());
        seeds.push(file.to_old_format());
        seeds.push(file.request.raw().to_vec());
        seeds.push(file.chain.to_ef());
        seeds.push(file.device().raw().to_vec());
    }
    seeds
}
