//! Certificates and requests of any content with valid signatures, so that changes reach what follows the verification.

use std::sync::LazyLock;

use countersign_cvc::{
    AuthenticatedRequest, Certificate, Chr, Curve, Date, DeviceChain, EcSecretKey, PkaFile, Role,
    attestation,
    issue::{self, CvcSigner, NewCertificate},
    tlv::{Tag, TlvWriter, parse_exact},
};
use sha2::{Digest, Sha256};

use super::{ANCHORS, check_key};

/// What is signed, by the first byte of the input; the body follows.
pub enum Signed {
    /// The body of a device certificate, signed by the simulated issuer.
    Device,
    /// The body of an issuer certificate, signed by the simulated root.
    Issuer,
    /// The body of a key's request, signed by the key and the device.
    Request,
    /// Everything before the device's signature in an authenticated request.
    Outer,
}

struct Keys {
    root: EcSecretKey,
    issuer: EcSecretKey,
    device: EcSecretKey,
    key: EcSecretKey,
}

static KEYS: LazyLock<Keys> = LazyLock::new(|| Keys {
    root: simulated("root"),
    issuer: simulated("issuer"),
    device: EcSecretKey::from_bytes(Curve::BrainpoolP256r1, &[5; 32]).expect("a scalar"),
    key: EcSecretKey::from_bytes(Curve::Secp256r1, &[6; 32]).expect("a scalar"),
});

/// A key of the simulated hierarchy, which the simulator derives in the same way from public data.
fn simulated(purpose: &str) -> EcSecretKey {
    let mut scalar: [u8; 32] = Sha256::digest(format!("countersign simulator: {purpose}")).into();
    scalar[0] &= 0x7F;
    EcSecretKey::from_bytes(Curve::BrainpoolP256r1, &scalar).expect("a scalar")
}

static CHAIN: LazyLock<DeviceChain> = LazyLock::new(|| DeviceChain {
    device: certificate(
        "ZZSIMDICA00001",
        "ZZFUZZDEV00001",
        &KEYS.device,
        &KEYS.issuer,
        Role::Device,
    ),
    issuer: certificate(
        "ZZSIMROOT00001",
        "ZZSIMDICA00001",
        &KEYS.issuer,
        &KEYS.root,
        Role::Issuer,
    ),
});

static REQUEST: LazyLock<AuthenticatedRequest> = LazyLock::new(|| {
    let device = name("ZZFUZZDEV00001");
    let inner = issue::request(&device, &name("DECUST0100001"), &KEYS.key).expect("a request");
    let outer = issue::authenticated_request(&inner, &device, &KEYS.device).expect("a request");
    AuthenticatedRequest::parse(&outer).expect("the writer's own request")
});

fn name(text: &str) -> Chr {
    text.parse().expect("a name")
}

fn certificate(
    car: &str,
    chr: &str,
    key: &EcSecretKey,
    signer: &EcSecretKey,
    role: Role,
) -> Certificate {
    let (year, month, day) = (2025, 1, 1);
    let from = Date { year, month, day };
    let to = Date { year: 2055, ..from };
    let new = NewCertificate {
        car: &name(car),
        chr: &name(chr),
        key: &key.public_key(),
        role,
        validity: (from, to),
    };
    let certificate = issue::certificate(&new, signer).expect("a certificate");
    Certificate::parse(&certificate).expect("the writer's own certificate")
}

/// The body with its tag and a valid signature.
fn sign(body: &[u8], signer: &EcSecretKey, tag: Tag) -> Vec<u8> {
    let signature = signer.sign_sha256(body).expect("a signature");
    TlvWriter::new()
        .with_raw(body)
        .with(Tag::SIGNATURE, &signature)
        .wrap(tag)
}

impl Signed {
    pub fn from_number(number: u8) -> Option<Self> {
        Some(match number {
            0 => Self::Device,
            1 => Self::Issuer,
            2 => Self::Request,
            3 => Self::Outer,
            _ => return None,
        })
    }

    /// A key is attested only by the device whose key signed the request, and a device only by the issuer's key.
    pub fn run(self, body: &[u8]) {
        match self {
            Self::Device => {
                if let Ok(device) = Certificate::parse(&sign(body, &KEYS.issuer, Tag::CERTIFICATE))
                {
                    let issuer = CHAIN.issuer.clone();
                    attest(DeviceChain { device, issuer }, REQUEST.clone());
                }
            }
            Self::Issuer => {
                if let Ok(issuer) = Certificate::parse(&sign(body, &KEYS.root, Tag::CERTIFICATE)) {
                    let device = CHAIN.device.clone();
                    attest(DeviceChain { device, issuer }, REQUEST.clone());
                }
            }
            Self::Request => {
                let inner = sign(body, &KEYS.key, Tag::CERTIFICATE);
                let outer = issue::authenticated_request(&inner, CHAIN.device.chr(), &KEYS.device);
                parse(&outer.expect("a request"));
            }
            Self::Outer => parse(&sign(body, &KEYS.device, Tag::REQUEST)),
        }
    }
}

fn parse(request: &[u8]) {
    if let Ok(request) = AuthenticatedRequest::parse(request) {
        assert!(!request.content().is_empty());
        attest(CHAIN.clone(), request);
    }
}

fn attest(chain: DeviceChain, request: AuthenticatedRequest) {
    check_key(request.public_key());
    let file = PkaFile { request, chain };
    if let Ok(again) = PkaFile::parse(&file.to_new_format()) {
        assert_eq!(again.request.raw(), file.request.raw());
    }
    let Ok(attested) = attestation::verify(&file, &ANCHORS) else {
        return;
    };
    assert_eq!(attested.fingerprint(), KEYS.key.public_key().fingerprint());
    let device = attested.device();
    assert_eq!(device.public_key(), &KEYS.device.public_key());
    assert_eq!(&device.id().0, file.request.outer_car());
    let _ = attested.check_custodian_policy();
}

/// The bytes before the signature, which is the last object.
fn before_signature(encoded: &[u8], signature: usize) -> Vec<u8> {
    let content = parse_exact(encoded)
        .expect("a certificate or request")
        .value;
    let end = content.len().saturating_sub(signature);
    content.get(..end).unwrap_or_default().to_vec()
}

pub fn seeds() -> Vec<Vec<u8>> {
    // Tag and length have 3 bytes, the signature has 64.
    const SIGNATURE: usize = 3 + 64;
    let outer = before_signature(REQUEST.raw(), SIGNATURE);
    let device = before_signature(CHAIN.device.raw(), SIGNATURE);
    let issuer = before_signature(CHAIN.issuer.raw(), SIGNATURE);
    // The inner request, without the name of the device behind it.
    let (inner, _) = countersign_cvc::tlv::parse_one(&outer).expect("the inner request");
    let inner = before_signature(inner.raw, SIGNATURE);
    let file = PkaFile {
        request: REQUEST.clone(),
        chain: CHAIN.clone(),
    };
    attestation::verify(&file, &ANCHORS).expect("unchanged, the key is attested");
    [device, issuer, inner, outer]
        .iter()
        .zip(0_u8..)
        .map(|(body, number)| [&[number], body.as_slice()].concat())
        .collect()
}
