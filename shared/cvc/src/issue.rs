//! Issuing of certificates and requests, for the card simulator and for tests.

use sha2::{Digest, Sha256};

use crate::{
    certificate::{Date, Role, TA_ECDSA_SHA_256, TA_RSA_SHA_256},
    chr::Chr,
    ec::{EcSecretKey, KeyError},
    public_key::PublicKey,
    tlv::{Tag, TlvWriter},
};

/// Object identifier of CardContact's device roles, 1.3.6.1.4.1.24991.3.1.1.
const DEVICE_ROLE: &[u8] = &[
    0x2B, 0x06, 0x01, 0x04, 0x01, 0x81, 0xC3, 0x1F, 0x03, 0x01, 0x01,
];

/// A key that can sign certificates.
pub trait CvcSigner {
    /// The reason why signing failed.
    type Error;

    /// Public half of the signing key.
    fn public_key(&self) -> PublicKey;

    /// Signs a message with SHA-256. The result is a plain ECDSA signature `r || s`, or RSASSA-PKCS1-v1_5.
    ///
    /// # Errors
    /// The signer cannot use its key.
    fn sign_sha256(&self, message: &[u8]) -> Result<Vec<u8>, Self::Error>;
}

impl CvcSigner for EcSecretKey {
    type Error = KeyError;

    fn public_key(&self) -> PublicKey {
        self.public_key()
    }

    fn sign_sha256(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        Ok(self.sign_prehash(&Sha256::digest(message))?.to_plain())
    }
}

/// Contents of a certificate to issue.
#[derive(Clone, Debug)]
pub struct NewCertificate<'a> {
    /// Name of the issuer.
    pub car: &'a Chr,
    /// Name of the holder.
    pub chr: &'a Chr,
    /// Public key of the holder.
    pub key: &'a PublicKey,
    /// Role of the holder. Only roots carry curve parameters; the other certificates inherit them.
    pub role: Role,
    /// First and last day of validity.
    pub validity: (Date, Date),
}

/// Issues a certificate, encoded with its tag 7F21 (BSI TR-03110-3, annex D).
///
/// # Errors
/// The signer cannot use its key.
pub fn certificate<S: CvcSigner>(
    new: &NewCertificate<'_>,
    signer: &S,
) -> Result<Vec<u8>, S::Error> {
    let authorisation = TlvWriter::new()
        .with(Tag::OID, DEVICE_ROLE)
        .with(Tag::DISCRETIONARY, &[new.role.byte()])
        .finish();
    let body = TlvWriter::new()
        .with(Tag::PROFILE, &[0])
        .with(Tag::CAR, new.car.as_bytes())
        .with(
            Tag::PUBLIC_KEY,
            &key_object(new.key, new.role == Role::Root),
        )
        .with(Tag::CHR, new.chr.as_bytes())
        .with(Tag::AUTHORISATION, &authorisation)
        .with(Tag::EFFECTIVE, &new.validity.0.to_bytes())
        .with(Tag::EXPIRY, &new.validity.1.to_bytes())
        .wrap(Tag::BODY);
    sign(body, signer)
}

/// Creates a plain request for a new key, signed by that key and encoded with its tag 7F21.
///
/// # Errors
/// The signer cannot use its key.
pub fn request<S: CvcSigner>(car: &Chr, chr: &Chr, signer: &S) -> Result<Vec<u8>, S::Error> {
    let body = TlvWriter::new()
        .with(Tag::PROFILE, &[0])
        .with(Tag::CAR, car.as_bytes())
        .with(Tag::PUBLIC_KEY, &key_object(&signer.public_key(), true))
        .with(Tag::CHR, chr.as_bytes())
        .wrap(Tag::BODY);
    sign(body, signer)
}

/// Creates an authenticated request: a plain request that a device signs, encoded with its tag 67.
///
/// # Errors
/// The device's signer cannot use its key.
pub fn authenticated_request<S: CvcSigner>(
    request: &[u8],
    device: &Chr,
    signer: &S,
) -> Result<Vec<u8>, S::Error> {
    let signed = TlvWriter::new()
        .with_raw(request)
        .with(Tag::CAR, device.as_bytes())
        .finish();
    let signature = signer.sign_sha256(&signed)?;
    Ok(TlvWriter::new()
        .with_raw(&signed)
        .with(Tag::SIGNATURE, &signature)
        .wrap(Tag::REQUEST))
}

fn sign<S: CvcSigner>(body: Vec<u8>, signer: &S) -> Result<Vec<u8>, S::Error> {
    let signature = signer.sign_sha256(&body)?;
    Ok(TlvWriter::new()
        .with_raw(&body)
        .with(Tag::SIGNATURE, &signature)
        .wrap(Tag::CERTIFICATE))
}

/// Content of a public key object (tag 7F49).
fn key_object(key: &PublicKey, with_parameters: bool) -> Vec<u8> {
    match key {
        PublicKey::Rsa(key) => TlvWriter::new()
            .with(Tag::OID, TA_RSA_SHA_256)
            .with(Tag(0x81), key.modulus())
            .with(Tag(0x82), key.exponent())
            .finish(),
        PublicKey::Ec(key) => {
            let domain = key.curve().domain_parameters();
            let parameter = |value| with_parameters.then_some(value);
            TlvWriter::new()
                .with(Tag::OID, TA_ECDSA_SHA_256)
                .with_some(Tag(0x81), parameter(domain.p))
                .with_some(Tag(0x82), parameter(domain.a))
                .with_some(Tag(0x83), parameter(domain.b))
                .with_some(Tag(0x84), parameter(domain.g))
                .with_some(Tag(0x85), parameter(domain.n))
                .with(Tag(0x86), key.point())
                .with_some(Tag(0x87), parameter(domain.h))
                .finish()
        }
    }
}
