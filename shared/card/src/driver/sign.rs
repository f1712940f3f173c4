//! SIGN.

use super::SmartCardHsm;
use crate::{
    apdu::{Command, Le, StatusWord},
    error::CardError,
};

/// Algorithm of a SIGN command. Variants with a hash in their name hash on the card; the others take the finished input.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum SignAlgorithm {
    /// RSA without padding; input as long as the modulus.
    RsaRaw = 0x20,
    /// RSASSA-PKCS1-v1_5; input is the DigestInfo.
    RsaPkcs1 = 0x30,
    /// The same, SHA-1 on the card.
    RsaPkcs1Sha1 = 0x31,
    /// The same, SHA-256 on the card.
    RsaPkcs1Sha256 = 0x33,
    /// The same, SHA-384 on the card.
    RsaPkcs1Sha384 = 0x34,
    /// The same, SHA-512 on the card.
    RsaPkcs1Sha512 = 0x35,
    /// RSASSA-PSS; input is the digest, whose length says which hash.
    RsaPss = 0x40,
    /// The same, SHA-1 on the card.
    RsaPssSha1 = 0x41,
    /// The same, SHA-256 on the card.
    RsaPssSha256 = 0x43,
    /// The same, SHA-384 on the card.
    RsaPssSha384 = 0x44,
    /// The same, SHA-512 on the card.
    RsaPssSha512 = 0x45,
    /// ECDSA; input is the digest.
    Ecdsa = 0x70,
    /// ECDSA, SHA-1 on the card.
    EcdsaSha1 = 0x71,
    /// ECDSA, SHA-224 on the card.
    EcdsaSha224 = 0x72,
    /// ECDSA, SHA-256 on the card.
    EcdsaSha256 = 0x73,
    /// ECDSA, SHA-384 on the card.
    EcdsaSha384 = 0x74,
    /// ECDSA, SHA-512 on the card.
    EcdsaSha512 = 0x75,
}

impl SmartCardHsm {
    /// Signs with exactly one command. ECDSA gives DER, RSA as many bytes as the modulus has.
    ///
    /// # Errors
    /// [`CardError::NotAuthenticated`], [`CardError::KeyUseCounterExhausted`], [`CardError::AlgorithmNotAllowed`],
    /// [`CardError::NoSuchKey`], or the card's.
    pub fn sign(
        &mut self,
        reference: u8,
        algorithm: SignAlgorithm,
        input: &[u8],
    ) -> Result<Vec<u8>, CardError> {
        let response = self.send(&sign_command(reference, algorithm, input))?;
        match response.sw {
            StatusWord::OK => Ok(response.data),
            // 6400: a key store that is locked although the quorum is there.
            sw @ (StatusWord::NOT_AUTHENTICATED | StatusWord::EXECUTION_ERROR) => {
                Err(CardError::NotAuthenticated(sw))
            }
            StatusWord::NOT_USABLE => Err(CardError::KeyUseCounterExhausted),
            StatusWord::NOT_SUPPORTED => Err(CardError::AlgorithmNotAllowed),
            StatusWord::FILE_NOT_FOUND | StatusWord::REFERENCE_NOT_FOUND => {
                Err(CardError::NoSuchKey)
            }
            sw => Err(CardError::Refused { what: "sign", sw }),
        }
    }
}

pub(super) fn sign_command(reference: u8, algorithm: SignAlgorithm, input: &[u8]) -> Command {
    // RSA keys above 2048 bits need more than a short answer holds.
    let le = if input.len() > 255 || matches!(algorithm as u8, 0x20..=0x4F) {
        Le::Extended
    } else {
        Le::Short
    };
    Command::new(0x80, 0x68, reference, algorithm as u8)
        .with_data(input)
        .with_le(le)
}
