//! The mechanisms that the load uses.

use clap::ValueEnum;
use cryptoki::{
    mechanism::{
        Mechanism, MechanismType,
        rsa::{PkcsMgfType, PkcsPssParams},
    },
    object::KeyType,
    types::Ulong,
};

/// Length of the digests in bytes; all are SHA-256 digests.
pub(crate) const DIGEST: usize = 32;
/// Prefix of the digest in a DigestInfo (RFC 8017, section 9.2, note 1).
const DIGEST_INFO: [u8; 19] = [
    0x30, 0x31, 0x30, 0x0D, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05,
    0x00, 0x04, 0x20,
];

/// A mechanism of PKCS#11 that signs digests.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Algorithm {
    /// CKM_ECDSA.
    Ecdsa,
    /// CKM_RSA_PKCS.
    RsaPkcs,
    /// CKM_RSA_PKCS_PSS, with MGF1 and a salt as long as the digest.
    RsaPss,
}

impl Algorithm {
    pub(crate) fn key_type(self) -> KeyType {
        match self {
            Self::Ecdsa => KeyType::EC,
            Self::RsaPkcs | Self::RsaPss => KeyType::RSA,
        }
    }

    pub(crate) fn mechanism(self) -> Mechanism<'static> {
        match self {
            Self::Ecdsa => Mechanism::Ecdsa,
            Self::RsaPkcs => Mechanism::RsaPkcs,
            Self::RsaPss => Mechanism::RsaPkcsPss(PkcsPssParams {
                hash_alg: MechanismType::SHA256,
                mgf: PkcsMgfType::MGF1_SHA256,
                s_len: Ulong::from(DIGEST as u64),
            }),
        }
    }

    /// The input that the module signs for this digest.
    pub(crate) fn input(self, digest: &[u8; DIGEST]) -> Vec<u8> {
        match self {
            Self::RsaPkcs => [&DIGEST_INFO[..], digest].concat(),
            Self::Ecdsa | Self::RsaPss => digest.to_vec(),
        }
    }
}
