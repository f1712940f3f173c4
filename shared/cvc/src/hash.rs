//! Hash functions for signatures.

use sha2::{Digest, Sha256, Sha384, Sha512};

/// A SHA-2 hash function (FIPS 180-4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum HashAlgorithm {
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

impl HashAlgorithm {
    /// Length of a digest in bytes.
    pub const fn digest_len(self) -> usize {
        match self {
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }

    /// The part of a DigestInfo that precedes the digest (RFC 8017, section 9.2, note 1).
    pub const fn digest_info(self) -> [u8; 19] {
        let (oid, length) = match self {
            Self::Sha256 => (0x01, 0x20),
            Self::Sha384 => (0x02, 0x30),
            Self::Sha512 => (0x03, 0x40),
        };
        [
            0x30,
            0x11 + length,
            0x30,
            0x0D,
            0x06,
            0x09,
            0x60,
            0x86,
            0x48,
            0x01,
            0x65,
            0x03,
            0x04,
            0x02,
            oid,
            0x05,
            0x00,
            0x04,
            length,
        ]
    }

    /// Hashes `data`.
    pub fn digest(self, data: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha256 => Sha256::digest(data).to_vec(),
            Self::Sha384 => Sha384::digest(data).to_vec(),
            Self::Sha512 => Sha512::digest(data).to_vec(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_info_matches_rfc_8017() {
        assert_eq!(
            HashAlgorithm::Sha256.digest_info(),
            hex_literal::hex!("3031300d060960864801650304020105000420")
        );
        assert_eq!(
            HashAlgorithm::Sha512.digest_info(),
            hex_literal::hex!("3051300d060960864801650304020305000440")
        );
    }
}
