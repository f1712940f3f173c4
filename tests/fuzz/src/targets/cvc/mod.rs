//! Certificates, requests, device chains, `.pka` files and the attestation of keys.

mod signed;

use std::sync::LazyLock;

use crate::cards::anchors;
use countersign_cvc::{
    AuthenticatedRequest, Certificate, DeviceChain, Fingerprint, PkaFile, PublicKey, TrustAnchors,
    attestation, split_certificates,
};

use signed::Signed;

/// `.pka` files of simulated cards. They are the same in each process, because inputs are kept longer than a process runs.
static FILES: LazyLock<Vec<PkaFile>> = LazyLock::new(|| {
    let files: [&[u8]; 3] = [
        include_bytes!("../../../seeds/vendor-brainpool.pka"),
        include_bytes!("../../../seeds/pico-p256.pka"),
        include_bytes!("../../../seeds/vendor-rsa.pka"),
    ];
    files
        .iter()
        .map(|file| PkaFile::parse(file).expect("a recorded file"))
        .collect()
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
    if let Some((number, body)) = data.split_first()
        && let Some(signed) = Signed::from_number(*number)
    {
        return signed.run(body);
    }
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
            FILES.iter().any(|file| {
                let genuine = file.device();
                genuine.chr() == &device.id().0 && genuine.key() == device.chain().device.key()
            }),
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
    seeds.extend(signed::seeds());
    seeds
}
