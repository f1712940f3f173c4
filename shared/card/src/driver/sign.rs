//! The command SIGN.

use super::SmartCardHsm;
use crate::{
    apdu::{Command, Le, StatusWord},
    error::CardError,
};

/// Algorithm of a SIGN command. For variants with a hash function in their name the card hashes the input. The other variants
/// expect the input in its final form.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum SignAlgorithm {
    /// RSA without padding. The input has the length of the modulus.
    RsaRaw = 0x20,
    /// RSASSA-PKCS1-v1_5 (RFC 8017). The input is the DigestInfo.
    RsaPkcs1 = 0x30,
    /// RSASSA-PKCS1-v1_5 with SHA-1.
    RsaPkcs1Sha1 = 0x31,
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    RsaPkcs1Sha256 = 0x33,
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    RsaPkcs1Sha384 = 0x34,
    /// RSASSA-PKCS1-v1_5 with SHA-512.
    RsaPkcs1Sha512 = 0x35,
    /// RSASSA-PSS (RFC 8017). The input is the digest, whose length determines the hash function.
    RsaPss = 0x40,
    /// RSASSA-PSS with SHA-1.
    RsaPssSha1 = 0x41,
    /// RSASSA-PSS with SHA-256.
    RsaPssSha256 = 0x43,
    /// RSASSA-PSS with SHA-384.
    RsaPssSha384 = 0x44,
    /// RSASSA-PSS with SHA-512.
    RsaPssSha512 = 0x45,
    /// ECDSA. The input is the digest.
    Ecdsa = 0x70,
    /// ECDSA with SHA-1.
    EcdsaSha1 = 0x71,
    /// ECDSA with SHA-224.
    EcdsaSha224 = 0x72,
    /// ECDSA with SHA-256.
    EcdsaSha256 = 0x73,
    /// ECDSA with SHA-384.
    EcdsaSha384 = 0x74,
    /// ECDSA, SHA-512 on the card.
    EcdsaSha512 = 0x75,
}

impl SmartCardHsm {
    /// Signs `input` with exactly one command. An ECDSA signature is in DER, and an RSA signature has the length of the modulus.
    ///
    /// # Errors
    /// [`CardError::NotAuthenticated`] on a locked card; [`CardError::KeyUseCounterExhausted`] if the key has no uses left;
    /// [`CardError::AlgorithmNotAllowed`] if the key does not allow the algorithm; [`CardError::NoSuchKey`] if the key does
    /// not exist.
    pub fn sign(
        &mut self,
        reference: u8,
        algorithm: SignAlgorithm,
        input: &[u8],
    ) -> Result<Vec<u8>, CardError> {
        let response = self.send(&sign_command(reference, algorithm, input))?;
        match response.sw {
            StatusWord::OK => Ok(response.data),
            // 6400: the key store is locked although the quorum has authenticated.
            sw @ (StatusWord::NOT_AUTHENTICATED | StatusWord::EXECUTION_ERROR) => {
                Err(CardError::NotAuthenticated(sw))
            }
            StatusWord::NOT_USABLE => Err(CardError::KeyUseCounterExhausted),
            StatusWord::NOT_SUPPORTED => Err(CardError::AlgorithmNotAllowed),
            StatusWord::FILE_NOT_FOUND | StatusWord::REFERENCE_NOT_FOUND => {
                Err(CardError::NoSuchKey)
            }
            sw => Err(CardError::Refused {
                what: "a signature",
                sw,
            }),
        }
    }
}

pub(super) fn sign_command(reference: u8, algorithm: SignAlgorithm, input: &[u8]) -> Command {
    // A signature by an RSA key above 2048 bits does not fit into a short response.
    let le = if input.len() > 255 || matches!(algorithm as u8, 0x20..=0x4F) {
        Le::Extended
    } else {
        Le::Short
    };
    Command::new(0x80, 0x68, reference, algorithm as u8)
        .with_data(input)
        .with_le(le)
}
