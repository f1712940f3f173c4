//! Operations of private keys.

use countersign_card::apdu::StatusWord;
use countersign_cvc::{PublicKey, RsaPublicKey, issue::CvcSigner};
use rsa::{BoxedUint, Pkcs1v15Sign, PrivateKey, Pss, traits::PublicKeyParts};
use sha1::Sha1;
use sha2::{Digest, Sha224, Sha256, Sha384, Sha512};

use super::Secret;

impl Secret {
    /// Signs with an algorithm of the command SIGN.
    pub fn sign(&self, algorithm: u8, input: &[u8]) -> Result<Vec<u8>, StatusWord> {
        match (self, algorithm) {
            (Self::Ec(key), 0x70..=0x75) => {
                let digest = match algorithm {
                    0x70 => input.to_vec(),
                    0x71 => Sha1::digest(input).to_vec(),
                    0x72 => Sha224::digest(input).to_vec(),
                    0x73 => Sha256::digest(input).to_vec(),
                    0x74 => Sha384::digest(input).to_vec(),
                    _ => Sha512::digest(input).to_vec(),
                };
                if digest.is_empty() {
                    return Err(StatusWord::WRONG_LENGTH);
                }
                Ok(key
                    .sign_prehash(&digest)
                    .map_err(|_| StatusWord::ERROR)?
                    .to_der())
            }
            (Self::Rsa(key), 0x20) => raw_rsa(key, input),
            (Self::Rsa(key), 0x30) => key
                .sign(Pkcs1v15Sign::new_unprefixed(), input)
                .map_err(|_| StatusWord::WRONG_LENGTH),
            (Self::Rsa(key), 0x31) => pkcs1(key, Pkcs1v15Sign::new::<Sha1>(), &Sha1::digest(input)),
            (Self::Rsa(key), 0x32) => {
                pkcs1(key, Pkcs1v15Sign::new::<Sha224>(), &Sha224::digest(input))
            }
            (Self::Rsa(key), 0x33) => {
                pkcs1(key, Pkcs1v15Sign::new::<Sha256>(), &Sha256::digest(input))
            }
            (Self::Rsa(key), 0x34) => {
                pkcs1(key, Pkcs1v15Sign::new::<Sha384>(), &Sha384::digest(input))
            }
            (Self::Rsa(key), 0x35) => {
                pkcs1(key, Pkcs1v15Sign::new::<Sha512>(), &Sha512::digest(input))
            }
            (Self::Rsa(key), 0x40) => pss(key, input),
            (Self::Rsa(key), 0x41) => pss(key, &Sha1::digest(input)),
            (Self::Rsa(key), 0x42) => pss(key, &Sha224::digest(input)),
            (Self::Rsa(key), 0x43) => pss(key, &Sha256::digest(input)),
            (Self::Rsa(key), 0x44) => pss(key, &Sha384::digest(input)),
            (Self::Rsa(key), 0x45) => pss(key, &Sha512::digest(input)),
            _ => Err(StatusWord::NOT_SUPPORTED),
        }
    }

    /// Applies an algorithm of the command DECIPHER: RSA without padding, or ECDH.
    pub fn decipher(&self, algorithm: u8, input: &[u8]) -> Result<Vec<u8>, StatusWord> {
        match (self, algorithm) {
            (Self::Rsa(key), 0x21) => raw_rsa(key, input),
            (Self::Ec(key), 0x80) => {
                let peer = countersign_cvc::EcPublicKey::new(key.curve(), input)
                    .map_err(|_| StatusWord::WRONG_DATA)?;
                let point = key.ecdh_point(&peer).map_err(|_| StatusWord::WRONG_DATA)?;
                Ok(point.to_vec())
            }
            _ => Err(StatusWord::NOT_SUPPORTED),
        }
    }
}

fn pkcs1(key: &PrivateKey, scheme: Pkcs1v15Sign, digest: &[u8]) -> Result<Vec<u8>, StatusWord> {
    key.sign(scheme, digest)
        .map_err(|_| StatusWord::WRONG_LENGTH)
}

fn pss(key: &PrivateKey, digest: &[u8]) -> Result<Vec<u8>, StatusWord> {
    let rng = &mut getrandom::SysRng;
    match digest.len() {
        20 => key.sign_with_rng(rng, Pss::<Sha1>::new(), digest),
        28 => key.sign_with_rng(rng, Pss::<Sha224>::new(), digest),
        32 => key.sign_with_rng(rng, Pss::<Sha256>::new(), digest),
        48 => key.sign_with_rng(rng, Pss::<Sha384>::new(), digest),
        64 => key.sign_with_rng(rng, Pss::<Sha512>::new(), digest),
        _ => return Err(StatusWord::WRONG_LENGTH),
    }
    .map_err(|_| StatusWord::ERROR)
}

fn raw_rsa(key: &PrivateKey, input: &[u8]) -> Result<Vec<u8>, StatusWord> {
    let size = key.size();
    let number = BoxedUint::from_be_slice_vartime(input);
    if input.len() != size || number >= *key.n().as_ref() {
        return Err(StatusWord::WRONG_DATA);
    }
    let result = rsa::hazmat::rsa_decrypt_and_check(key, Some(&mut getrandom::SysRng), &number)
        .map_err(|_| StatusWord::ERROR)?;
    let bytes = result.to_be_bytes_trimmed_vartime();
    let mut out = vec![0; size.saturating_sub(bytes.len())];
    out.extend_from_slice(&bytes);
    Ok(out)
}

impl CvcSigner for Secret {
    type Error = StatusWord;

    fn public_key(&self) -> PublicKey {
        match self {
            Self::Ec(key) => key.public_key(),
            Self::Rsa(key) => {
                let modulus = key.n_bytes();
                let exponent = key.e_bytes();
                match RsaPublicKey::new(&modulus, &exponent) {
                    Ok(key) => PublicKey::Rsa(key),
                    // The size was checked when the key was created.
                    Err(_) => unreachable!("an RSA key of an allowed size"),
                }
            }
        }
    }

    fn sign_sha256(&self, message: &[u8]) -> Result<Vec<u8>, StatusWord> {
        let digest = Sha256::digest(message);
        match self {
            Self::Ec(key) => Ok(key
                .sign_prehash(&digest)
                .map_err(|_| StatusWord::ERROR)?
                .to_plain()),
            Self::Rsa(key) => pkcs1(key, Pkcs1v15Sign::new::<Sha256>(), &digest),
        }
    }
}
