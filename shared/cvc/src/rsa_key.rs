//! RSA public keys.

use rsa::{BoxedUint, Pkcs1v15Sign, Pss, traits::PublicKeyParts};
use sha2::{Digest, Sha256, Sha384, Sha512};

use crate::{ec::SignatureError, hash::HashAlgorithm};

/// Sizes of modulus that SmartCard-HSMs support.
const BITS: std::ops::RangeInclusive<u32> = 1024..=4096;

/// An RSA public key of 1024 to 4096 bits.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct RsaPublicKey {
    modulus: Vec<u8>,
    exponent: Vec<u8>,
}

/// The bytes are not an RSA key of a supported size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the RSA key is malformed or its size is not 1024 to 4096 bits")]
pub struct RsaKeyError;

impl RsaPublicKey {
    /// Creates the key with a big-endian modulus and public exponent.
    ///
    /// # Errors
    /// The numbers are not an RSA key, or the size of the modulus is not supported.
    pub fn new(modulus: &[u8], exponent: &[u8]) -> Result<Self, RsaKeyError> {
        let key = Self {
            modulus: strip(modulus).to_vec(),
            exponent: strip(exponent).to_vec(),
        };
        let bits = key.library_key()?.n().bit_width();
        if BITS.contains(&bits) {
            Ok(key)
        } else {
            Err(RsaKeyError)
        }
    }

    fn library_key(&self) -> Result<rsa::PublicKey, RsaKeyError> {
        rsa::PublicKey::new(
            BoxedUint::from_be_slice_vartime(&self.modulus),
            BoxedUint::from_be_slice_vartime(&self.exponent),
        )
        .map_err(|_| RsaKeyError)
    }

    /// Modulus, big endian, without leading zeros.
    pub fn modulus(&self) -> &[u8] {
        &self.modulus
    }

    /// Public exponent, big endian, without leading zeros.
    pub fn exponent(&self) -> &[u8] {
        &self.exponent
    }

    /// Size of the modulus in bits.
    pub fn bits(&self) -> usize {
        let zeros = self.modulus.first().map_or(0, |byte| byte.leading_zeros());
        self.modulus.len() * 8 - usize::try_from(zeros).unwrap_or(0)
    }

    /// Verifies RSASSA-PKCS1-v1_5 over a digest (RFC 8017, section 8.2).
    ///
    /// # Errors
    /// [`SignatureError::Wrong`] if the signature does not verify or the digest has another length.
    pub fn verify_pkcs1(
        &self,
        hash: HashAlgorithm,
        digest: &[u8],
        signature: &[u8],
    ) -> Result<(), SignatureError> {
        let scheme = match hash {
            HashAlgorithm::Sha256 => Pkcs1v15Sign::new::<Sha256>(),
            HashAlgorithm::Sha384 => Pkcs1v15Sign::new::<Sha384>(),
            HashAlgorithm::Sha512 => Pkcs1v15Sign::new::<Sha512>(),
        };
        self.check_length(hash, digest)?;
        let key = self.library_key().map_err(|_| SignatureError::Wrong)?;
        key.verify(scheme, digest, signature)
            .map_err(|_| SignatureError::Wrong)
    }

    /// Verifies RSASSA-PSS over a digest (RFC 8017, section 8.1), with MGF1 over the same hash and a salt of `salt_len` bytes.
    ///
    /// # Errors
    /// [`SignatureError::Wrong`] if the signature does not verify or the digest has another length.
    pub fn verify_pss(
        &self,
        hash: HashAlgorithm,
        salt_len: usize,
        digest: &[u8],
        signature: &[u8],
    ) -> Result<(), SignatureError> {
        self.check_length(hash, digest)?;
        let key = self.library_key().map_err(|_| SignatureError::Wrong)?;
        match hash {
            HashAlgorithm::Sha256 => {
                key.verify(Pss::<Sha256>::new_with_salt(salt_len), digest, signature)
            }
            HashAlgorithm::Sha384 => {
                key.verify(Pss::<Sha384>::new_with_salt(salt_len), digest, signature)
            }
            HashAlgorithm::Sha512 => {
                key.verify(Pss::<Sha512>::new_with_salt(salt_len), digest, signature)
            }
        }
        .map_err(|_| SignatureError::Wrong)
    }

    /// Verifies an RSA operation without padding (RFC 8017, section 5.2.2). `block` and `signature` have the length of the
    /// modulus.
    ///
    /// # Errors
    /// [`SignatureError::Wrong`] if the signature does not verify or the block has another length.
    pub fn verify_raw(&self, block: &[u8], signature: &[u8]) -> Result<(), SignatureError> {
        let key = self.library_key().map_err(|_| SignatureError::Wrong)?;
        let signature = BoxedUint::from_be_slice(signature, key.n().bits_precision())
            .map_err(|_| SignatureError::Wrong)?;
        let opened =
            rsa::hazmat::rsa_encrypt(&key, &signature).map_err(|_| SignatureError::Wrong)?;
        if strip(&opened.to_be_bytes()) == strip(block) && block.len() == self.modulus.len() {
            Ok(())
        } else {
            Err(SignatureError::Wrong)
        }
    }

    /// Verifies RSASSA-PKCS1-v1_5 with SHA-256 over a message.
    pub(crate) fn verify_message(
        &self,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), SignatureError> {
        self.verify_pkcs1(HashAlgorithm::Sha256, &Sha256::digest(message), signature)
    }

    fn check_length(&self, hash: HashAlgorithm, digest: &[u8]) -> Result<(), SignatureError> {
        if digest.len() == hash.digest_len() {
            Ok(())
        } else {
            Err(SignatureError::Wrong)
        }
    }
}

fn strip(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    &number[zeros..]
}
