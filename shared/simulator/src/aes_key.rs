//! AES keys of a simulated card.

use aes::{
    Aes128, Aes192, Aes256,
    cipher::{
        BlockModeDecrypt, BlockModeEncrypt, InvalidLength, KeyInit, KeyIvInit,
        block_padding::NoPadding,
    },
};
use cmac::{Cmac, Mac};
use countersign_card::apdu::StatusWord;
use zeroize::Zeroizing;

const BLOCK: usize = 16;
/// The card uses an IV of zeros. A host combines its own IV with the first block.
const IV: [u8; BLOCK] = [0; BLOCK];

// Algorithms of the cipher command.
const CBC_ENCRYPT: u8 = 0x10;
const CBC_DECRYPT: u8 = 0x11;
const CMAC: u8 = 0x18;

/// Algorithms of a key without a list of its own. Key derivation (99) is not implemented.
pub const DEFAULT_ALGORITHMS: [u8; 4] = [CBC_ENCRYPT, CBC_DECRYPT, CMAC, 0x99];

/// An AES key of 16, 24 or 32 bytes.
#[derive(Clone)]
pub struct AesKey(Zeroizing<Vec<u8>>);

/// Evaluates an expression with `$A` as the AES variant for the length of the key.
macro_rules! with_aes {
    ($key:expr, $A:ident => $body:expr) => {
        match $key.0.len() {
            16 => {
                type $A = Aes128;
                $body
            }
            24 => {
                type $A = Aes192;
                $body
            }
            _ => {
                type $A = Aes256;
                $body
            }
        }
    };
}

impl AesKey {
    /// Creates a key; fails if it has another length.
    pub fn new(key: &[u8]) -> Result<Self, StatusWord> {
        match key.len() {
            16 | 24 | 32 => Ok(Self(Zeroizing::new(key.to_vec()))),
            _ => Err(StatusWord::WRONG_DATA),
        }
    }

    /// The key, for storage.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Applies an algorithm of the cipher command.
    pub fn apply(&self, algorithm: u8, input: &[u8]) -> Result<Vec<u8>, StatusWord> {
        let error = |_: InvalidLength| StatusWord::ERROR;
        match algorithm {
            CBC_ENCRYPT | CBC_DECRYPT if input.is_empty() || !input.len().is_multiple_of(BLOCK) => {
                Err(StatusWord::WRONG_LENGTH)
            }
            CBC_ENCRYPT => with_aes!(self, A => {
                let mode = cbc::Encryptor::<A>::new_from_slices(&self.0, &IV).map_err(error)?;
                Ok(mode.encrypt_padded_vec::<NoPadding>(input))
            }),
            CBC_DECRYPT => with_aes!(self, A => {
                let mode = cbc::Decryptor::<A>::new_from_slices(&self.0, &IV).map_err(error)?;
                mode.decrypt_padded_vec::<NoPadding>(input).map_err(|_| StatusWord::ERROR)
            }),
            CMAC => with_aes!(self, A => {
                let mut mac = <Cmac<A> as KeyInit>::new_from_slice(&self.0).map_err(error)?;
                mac.update(input);
                Ok(mac.finalize().into_bytes().to_vec())
            }),
            _ => Err(StatusWord::NOT_SUPPORTED),
        }
    }
}

#[cfg(test)]
mod tests {
    use hex_literal::hex;

    use super::*;

    #[test]
    fn results_match_the_vectors_of_nist() {
        // SP 800-38B, section D.1, example 2.
        let key = AesKey::new(&hex!("2b7e151628aed2a6abf7158809cf4f3c")).expect("a key");
        let block = hex!("6bc1bee22e409f96e93d7e117393172a");
        let mac = hex!("070a16b46b4d4144f79bdd9dd04a287c");
        assert_eq!(key.apply(CMAC, &block), Ok(mac.to_vec()));
        // SP 800-38A, section F.1.5. With an IV of zeros the first block equals that of ECB.
        let key = hex!("603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4");
        let key = AesKey::new(&key).expect("a key");
        let cipher = hex!("f3eed1bdb5d2a03c064b5a7e3db181f8");
        assert_eq!(key.apply(CBC_ENCRYPT, &block), Ok(cipher.to_vec()));
        assert_eq!(key.apply(CBC_DECRYPT, &cipher), Ok(block.to_vec()));
        let short = key.apply(CBC_ENCRYPT, &block[1..]);
        assert_eq!(short, Err(StatusWord::WRONG_LENGTH));
    }
}
