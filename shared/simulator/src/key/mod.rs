//! Keys of a simulated card.

mod operations;

use countersign_card::apdu::StatusWord;
use countersign_cvc::{Curve, EcSecretKey, KeyError};
use rsa::{
    PrivateKey,
    pkcs8::{DecodePrivateKey, EncodePrivateKey},
};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::aes_key::AesKey;

/// A key of any kind.
pub enum Key {
    /// A private key with its public key.
    Pair(Secret),
    Aes(AesKey),
}

/// A private key.
#[derive(Clone)]
pub enum Secret {
    Ec(EcSecretKey),
    Rsa(Box<PrivateKey>),
}

/// A key in the form in which the card file stores it. It is not encrypted, because simulated keys protect nothing.
#[derive(Clone, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case", deny_unknown_fields)]
pub enum StoredSecret {
    Ec {
        curve: Curve,
        /// Scalar in hex.
        scalar: String,
    },
    Rsa {
        /// PKCS#8 DER in hex.
        pkcs8: String,
    },
    Aes {
        /// Key in hex.
        key: String,
    },
}

/// A key in the card file cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("a key in the card file is damaged")]
pub struct DamagedKey;

impl From<DamagedKey> for StatusWord {
    fn from(_: DamagedKey) -> Self {
        Self::ERROR
    }
}

impl TryFrom<&StoredSecret> for Key {
    type Error = DamagedKey;

    fn try_from(stored: &StoredSecret) -> Result<Self, DamagedKey> {
        let bytes = |text: &str| {
            hex::decode(text)
                .map(Zeroizing::new)
                .map_err(|_| DamagedKey)
        };
        match stored {
            StoredSecret::Ec { curve, scalar } => {
                let key = EcSecretKey::from_bytes(*curve, &bytes(scalar)?);
                let key = key.map_err(|_| DamagedKey)?;
                Ok(Self::Pair(Secret::Ec(key)))
            }
            StoredSecret::Rsa { pkcs8 } => {
                let key = PrivateKey::from_pkcs8_der(&bytes(pkcs8)?).map_err(|_| DamagedKey)?;
                Ok(Self::Pair(Secret::Rsa(Box::new(key))))
            }
            StoredSecret::Aes { key } => {
                let key = AesKey::new(&bytes(key)?).map_err(|_| DamagedKey)?;
                Ok(Self::Aes(key))
            }
        }
    }
}

impl TryFrom<&StoredSecret> for Secret {
    type Error = DamagedKey;

    fn try_from(stored: &StoredSecret) -> Result<Self, DamagedKey> {
        match Key::try_from(stored)? {
            Key::Pair(secret) => Ok(secret),
            Key::Aes(_) => Err(DamagedKey),
        }
    }
}

impl Key {
    /// Converts the key to the form for the card file.
    pub fn store(&self) -> Result<StoredSecret, StatusWord> {
        match self {
            Self::Pair(secret) => secret.store(),
            Self::Aes(key) => Ok(StoredSecret::Aes {
                key: hex::encode(key.as_bytes()),
            }),
        }
    }
}

impl Secret {
    /// Generates an EC key.
    pub fn generate_ec(curve: Curve) -> Result<Self, StatusWord> {
        let mut scalar = vec![0; curve.field_len()];
        loop {
            getrandom::fill(&mut scalar).map_err(|_| StatusWord::ERROR)?;
            if curve == Curve::Secp521r1 {
                // Of 521 bits, one is in the first byte.
                scalar[0] &= 1;
            }
            match EcSecretKey::from_bytes(curve, &scalar) {
                Ok(key) => return Ok(Self::Ec(key)),
                Err(KeyError::BadScalar(_)) => {}
                Err(_) => return Err(StatusWord::NOT_SUPPORTED),
            }
        }
    }

    /// Generates an RSA key.
    pub fn generate_rsa(bits: u16) -> Result<Self, StatusWord> {
        if !matches!(bits, 1024 | 1536 | 2048 | 3072 | 4096) {
            return Err(StatusWord::WRONG_DATA);
        }
        PrivateKey::new(&mut getrandom::SysRng, usize::from(bits))
            .map(|key| Self::Rsa(Box::new(key)))
            .map_err(|_| StatusWord::ERROR)
    }

    /// Converts the key to the form for the card file.
    pub fn store(&self) -> Result<StoredSecret, StatusWord> {
        Ok(match self {
            Self::Ec(key) => StoredSecret::Ec {
                curve: key.curve(),
                scalar: hex::encode(key.to_bytes().as_slice()),
            },
            Self::Rsa(key) => StoredSecret::Rsa {
                pkcs8: hex::encode(
                    key.to_pkcs8_der()
                        .map_err(|_| StatusWord::ERROR)?
                        .as_bytes(),
                ),
            },
        })
    }
}
