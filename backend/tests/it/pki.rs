//! A certificate hierarchy for forgeries. Its keys are fixed, so they protect nothing.

use countersign_protocol::cvc::{
    AuthenticatedRequest, Certificate, Chr, Curve, Date, DeviceChain, EcSecretKey, PkaFile, Role,
    issue::{self, NewCertificate},
};

pub fn key(number: u8) -> EcSecretKey {
    EcSecretKey::from_bytes(Curve::BrainpoolP256r1, &[number; 32]).expect("a scalar")
}

pub fn name(text: &str) -> Chr {
    text.parse().expect("a name")
}

fn certificate(
    car: &str,
    chr: &str,
    key: &EcSecretKey,
    role: Role,
    signer: &EcSecretKey,
) -> Vec<u8> {
    let day = |year| Date {
        year,
        month: 1,
        day: 1,
    };
    issue::certificate(
        &NewCertificate {
            car: &name(car),
            chr: &name(chr),
            key: &key.public_key(),
            role,
            validity: (day(2025), day(2055)),
        },
        signer,
    )
    .expect("signs")
}

pub fn root() -> Vec<u8> {
    certificate(
        "ZZOWNROOT00001",
        "ZZOWNROOT00001",
        &key(1),
        Role::Root,
        &key(1),
    )
}

pub fn device() -> EcSecretKey {
    key(3)
}

const DEVICE: &str = "ZZOWNDEV00100001";

/// A device's chain, whose device certificate is signed with this key.
pub fn chain(signer: &EcSecretKey) -> DeviceChain {
    let parse = |bytes: Vec<u8>| Certificate::parse(&bytes).expect("a certificate");
    DeviceChain {
        issuer: parse(certificate(
            "ZZOWNROOT00001",
            "ZZOWNDICA00001",
            &key(2),
            Role::Issuer,
            &key(1),
        )),
        device: parse(certificate(
            "ZZOWNDICA00001",
            DEVICE,
            &device(),
            Role::Device,
            signer,
        )),
    }
}

/// A certificate request for this key. `change` can forge it before the device attests it.
pub fn request(key: &EcSecretKey, change: impl FnOnce(&mut Vec<u8>)) -> AuthenticatedRequest {
    let chr = name("ZZFORGED00001");
    let mut inner = issue::request(&chr, &chr, key).expect("signs");
    change(&mut inner);
    let outer = issue::authenticated_request(&inner, &name(DEVICE), &device()).expect("signs");
    AuthenticatedRequest::parse(&outer).expect("a request")
}

/// A valid file.
pub fn good() -> PkaFile {
    PkaFile {
        request: request(&key(4), |_| {}),
        chain: chain(&key(2)),
    }
}

/// An X.509 certificate for this key, signed by another key.
pub fn certificate_by_another(key: &countersign_protocol::cvc::PublicKey) -> Vec<u8> {
    use x509_cert::{
        builder::{Builder, CertificateBuilder, profile::cabf::Root},
        der::Encode,
        name::Name,
        serial_number::SerialNumber,
        spki::SubjectPublicKeyInfoOwned,
        time::Validity,
    };
    let subject: Name = "CN=Issued,O=Test,C=DE".parse().expect("a name");
    let validity = Validity::from_now(std::time::Duration::from_secs(3600)).expect("a time");
    let spki = SubjectPublicKeyInfoOwned::try_from(key.to_spki_der().as_slice()).expect("a key");
    let profile = Root::new(false, subject).expect("a profile");
    let builder = CertificateBuilder::new(profile, SerialNumber::from(7_u32), validity, spki)
        .expect("a certificate");
    let signer = p256::ecdsa::SigningKey::from_slice(&[7; 32]).expect("a scalar");
    builder
        .build::<_, p256::ecdsa::DerSignature>(&signer)
        .expect("signed")
        .to_der()
        .expect("encoded")
}
