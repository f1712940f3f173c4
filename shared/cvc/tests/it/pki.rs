//! A test PKI. Its private keys are public by design: `SHA-256(name) mod (n-1) + 1`.

use countersign_cvc::{
    AnchorKind, AttestationError, AttestedKey, Certificate, Chr, Curve, Date, EcSecretKey, PkaFile,
    Role, TrustAnchor, TrustAnchors, attestation,
    issue::{self, NewCertificate},
    tlv::{Tag, TlvWriter},
};
use hex_literal::hex;

pub const ROOT: &[u8] = include_bytes!("../../testdata/annex-root.cvc");
pub const ISSUER: &[u8] = include_bytes!("../../testdata/annex-issuer.cvc");
pub const DEVICE_1: &[u8] = include_bytes!("../../testdata/annex-device-1.cvc");
pub const DEVICE_2: &[u8] = include_bytes!("../../testdata/annex-device-2.cvc");
pub const REQUEST: &[u8] = include_bytes!("../../testdata/annex-request.cvc");

pub const ROOT_KEY: [u8; 32] =
    hex!("487D823C44F693E80FD946FCF0468B8BEF3FC0E3EA4C69780B0C7FE3D3FDF37B");
pub const ISSUER_KEY: [u8; 32] =
    hex!("A753917250FDFED119BFE50E6FC8AF0E0A87E89217031C6E8847F6F900301906");
pub const DEVICE_1_KEY: [u8; 32] =
    hex!("095FF8355F56DDC8FC43DD70B551B663091D079C64BEC2307E0ECDF8AA5F407D");
pub const DEVICE_2_KEY: [u8; 32] =
    hex!("78230EA955F1479A8D8A5C5B331CC026B469FC6C325DC423BCD41E00A37DA059");
pub const CUSTODIAN_KEY: [u8; 32] =
    hex!("772E5493D294FDE4B5B2393EDA575861895271FB89A1EA9D366D6312FC309A48");

pub const ROOT_NAME: &str = "ZZTSTROOT00001";
pub const ISSUER_NAME: &str = "ZZTSTDICA00001";
pub const DEVICE_1_NAME: &str = "ZZSIM00000100001";
pub const CUSTODIAN: &str = "ZZCUSTOD100001";

/// Only the test root.
pub fn anchors() -> TrustAnchors {
    let root =
        TrustAnchor::from_certificate("test PKI", AnchorKind::Configured, ROOT).expect("a root");
    TrustAnchors::default()
        .with(root)
        .expect("a configured root")
}

pub fn key(scalar: [u8; 32]) -> EcSecretKey {
    EcSecretKey::from_bytes(Curve::BrainpoolP256r1, &scalar).expect("a scalar")
}

pub fn chr(name: &str) -> Chr {
    name.parse().expect("a name")
}

/// January 1 of a year.
pub fn new_year(year: u16) -> Date {
    Date {
        year,
        month: 1,
        day: 1,
    }
}

/// Issues a certificate that is valid from 2025 to `until`.
pub fn certificate(
    [car, holder]: [&str; 2],
    subject: &EcSecretKey,
    role: Role,
    until: u16,
    signer: &EcSecretKey,
) -> Vec<u8> {
    issue::certificate(
        &NewCertificate {
            car: &chr(car),
            chr: &chr(holder),
            key: &subject.public_key(),
            role,
            validity: (new_year(2025), new_year(until)),
        },
        signer,
    )
    .expect("signs")
}

/// A `.pka` file from parts that need not belong together.
pub fn pka_file(request: &[u8], device: &[u8], issuer: &[u8]) -> Vec<u8> {
    TlvWriter::new()
        .with_raw(request)
        .with_raw(device)
        .with_raw(issuer)
        .wrap(Tag::SEQUENCE)
}

pub fn good_file() -> Vec<u8> {
    pka_file(REQUEST, DEVICE_1, ISSUER)
}

pub fn attest(
    request: &[u8],
    device: &[u8],
    issuer: &[u8],
) -> Result<AttestedKey, AttestationError> {
    attestation::verify(
        &PkaFile::parse(&pka_file(request, device, issuer))?,
        &anchors(),
    )
}

/// An authenticated request in the name of device 1, signed by any key.
pub fn device_signed(request: &[u8], signer: &EcSecretKey) -> Vec<u8> {
    issue::authenticated_request(request, &chr(DEVICE_1_NAME), signer).expect("signs")
}

/// The plain request of a custodian's key.
pub fn own_request<S: issue::CvcSigner<Error: std::fmt::Debug>>(secret: &S) -> Vec<u8> {
    issue::request(&chr(CUSTODIAN), &chr(CUSTODIAN), secret).expect("signs")
}

/// Offset of `part` in `whole`.
pub fn position(whole: &[u8], part: &[u8]) -> usize {
    whole
        .windows(part.len())
        .position(|window| window == part)
        .expect("a part of the whole")
}

/// Replaces the public key in a certificate and leaves the signature unchanged.
pub fn with_point(mut data: Vec<u8>, old: &EcSecretKey, new: &[u8]) -> Vec<u8> {
    let at = position(&data, old.ec_public_key().point());
    data[at..at + new.len()].copy_from_slice(new);
    data
}

/// Changes the last byte, which is part of a signature.
pub fn damaged(data: &[u8]) -> Vec<u8> {
    let mut data = data.to_vec();
    if let Some(last) = data.last_mut() {
        *last ^= 1;
    }
    data
}

pub fn parsed(data: &[u8]) -> Certificate {
    Certificate::parse(data).expect("a certificate")
}
