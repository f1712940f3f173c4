//! RSA keys can be attested and used, but not as custodian keys.

use countersign_cvc::{
    AttestationError, HashAlgorithm, PublicKey, RsaPublicKey, SignatureError, issue::CvcSigner,
};
use hex_literal::hex;
use rsa::{BoxedUint, Pkcs1v15Sign, PrivateKey};
use sha2::{Digest, Sha256, Sha512};

use crate::pki::*;

/// Primes of a key that only these tests use.
const P: [u8; 128] = hex!(
    "ee155140ba1125a6f9bdea22a823757015784253baff118c01f30c0e1759fc7d3cce65982ae8b5434fd912fc2b70e7a7"
    "28466a119c532d96cfecdef2b98bf18cb9774b366b3f338defac0bcc426602e339e3ae1bbf7dad3ad16ab29f33af24be"
    "8e510da57c44534d45ac25d7d1edf8ac7e71028b45abe3663774734b95613e21"
);
const Q: [u8; 128] = hex!(
    "b6a558a5e52177d4e29f57e345309cb6c89a1e91d7378e73c1adda063f2a50033ed39c6f8c717e917524d6d0303cf7c2"
    "3bc07892b6c960b22070fb1feaad039d8c80d955ddee7b193e59af61dfab14bdbc7ef9298f2510a08353a3df0f0a826b"
    "3b4bd66e299762f086ffac51816a5dcd706835cc9af3fd9af991bb57ae570a29"
);
/// The public key as openssl wrote it.
const PEM: &str = include_str!("../../testdata/rsa-test-key.pub.pem");

fn public() -> PublicKey {
    PublicKey::from_spki_pem(PEM).expect("a key")
}

fn rsa_public() -> RsaPublicKey {
    match public() {
        PublicKey::Rsa(key) => key,
        PublicKey::Ec(_) => panic!("an RSA key"),
    }
}

struct Signer(PrivateKey);

impl CvcSigner for Signer {
    type Error = rsa::Error;

    fn public_key(&self) -> PublicKey {
        public()
    }

    fn sign_sha256(&self, message: &[u8]) -> Result<Vec<u8>, rsa::Error> {
        self.0
            .sign(Pkcs1v15Sign::new::<Sha256>(), &Sha256::digest(message))
    }
}

fn signer() -> Signer {
    let [p, q] = [P, Q].map(|prime| BoxedUint::from_be_slice_vartime(&prime));
    Signer(PrivateKey::from_p_q(p, q, BoxedUint::from(65537u64)).expect("a key"))
}

#[test]
fn an_rsa_key_is_attested_but_unsuitable_for_a_custodian() {
    let request = device_signed(&own_request(&signer()), &key(DEVICE_1_KEY));
    let attested = attest(&request, DEVICE_1, ISSUER).expect("attested");
    assert_eq!(attested.public_key(), &public());
    assert_eq!(
        attested.check_custodian_policy(),
        Err(AttestationError::UnsuitableKey {
            found: "RSA 2048".into()
        })
    );
}

#[test]
fn a_damaged_rsa_request_is_not_signed_by_its_key() {
    let request = device_signed(&damaged(&own_request(&signer())), &key(DEVICE_1_KEY));
    assert_eq!(
        attest(&request, DEVICE_1, ISSUER),
        Err(AttestationError::InnerSignature(SignatureError::Wrong))
    );
}

#[test]
fn an_rsa_key_survives_pem_and_json() {
    assert_eq!(public().to_spki_pem(), PEM);
    assert_eq!((public().bits(), public().curve()), (2048, None));
    let json = serde_json::to_string(&public()).expect("writes");
    let read: PublicKey = serde_json::from_str(&json).expect("reads");
    assert_eq!(read, public());
}

/// The signatures are by openssl, over the text `message`.
#[test]
fn signatures_by_openssl_verify() {
    let key = rsa_public();
    let (short, long) = (Sha256::digest(b"message"), Sha512::digest(b"message"));
    let pkcs1 = include_bytes!("../../testdata/rsa-pkcs1-sha256.sig");
    let pss = include_bytes!("../../testdata/rsa-pss-sha256.sig");
    let pss_512 = include_bytes!("../../testdata/rsa-pss-sha512.sig");
    assert_eq!(
        key.verify_pkcs1(HashAlgorithm::Sha256, &short, pkcs1),
        Ok(())
    );
    assert_eq!(
        key.verify_pss(HashAlgorithm::Sha256, 32, &short, pss),
        Ok(())
    );
    assert_eq!(
        key.verify_pss(HashAlgorithm::Sha512, 64, &long, pss_512),
        Ok(())
    );
    assert_eq!(public().verify_sha256(b"message", pkcs1), Ok(()));
    let wrong = Err(SignatureError::Wrong);
    assert_eq!(key.verify_pkcs1(HashAlgorithm::Sha256, &short, pss), wrong);
    assert_eq!(
        key.verify_pss(HashAlgorithm::Sha256, 32, &short, pkcs1),
        wrong
    );
    assert_eq!(key.verify_pkcs1(HashAlgorithm::Sha256, &long, pkcs1), wrong);
}

#[test]
fn rsa_keys_of_unsupported_sizes_are_rejected() {
    assert!(RsaPublicKey::new(&[0xFF; 64], &[1, 0, 1]).is_err());
    assert!(RsaPublicKey::new(&[0xFF; 1024], &[1, 0, 1]).is_err());
    assert!(RsaPublicKey::new(&[], &[]).is_err());
    assert!(RsaPublicKey::new(&[0xFF; 256], &[0]).is_err());
}
