//! Fingerprints of public keys.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

use crate::words::WORDS;

/// SHA-256 over the DER encoding of a SubjectPublicKeyInfo.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Fingerprint(pub [u8; 32]);

crate::text_schema!(
    Fingerprint,
    "SHA-256 over the DER encoding of a SubjectPublicKeyInfo, in hexadecimal digits.",
    pattern: "^[0-9A-Fa-f]{64}$",
    example: "6f1d3c5b2a4e897061524334251607f8e9dacbbcad9e8f70615243342516f708"
);

/// The text is not a fingerprint.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is not a fingerprint: expected 64 hex digits")]
pub struct InvalidFingerprint(String);

impl Fingerprint {
    /// The fingerprint as 64 lower-case hex digits.
    pub fn to_hex(&self) -> String {
        hex::encode(self.0)
    }

    /// The first eight hex digits, to tell keys apart at a glance. They do not identify a key securely.
    pub fn short(&self) -> String {
        hex::encode(&self.0[..4])
    }

    /// Six words that encode the first 48 bits, for comparison by phone. They suffice for attested keys, because a card needs
    /// about a second to generate one. For other keys use [`Self::long_words`].
    pub fn words(&self) -> [&'static str; 6] {
        self.first_words()
    }

    /// Ten words that encode the first 80 bits, for comparison by phone. A computer can generate enough keys to find one with the
    /// same six words, but not with the same ten.
    pub fn long_words(&self) -> [&'static str; 10] {
        self.first_words()
    }

    fn first_words<const N: usize>(&self) -> [&'static str; N] {
        std::array::from_fn(|index| WORDS[usize::from(self.0[index])])
    }
}

impl std::fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.to_hex())
    }
}

impl std::fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.to_hex())
    }
}

impl std::str::FromStr for Fingerprint {
    type Err = InvalidFingerprint;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes).map_err(|_| InvalidFingerprint(text.to_owned()))?;
        Ok(Self(bytes))
    }
}

impl Serialize for Fingerprint {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Fingerprint {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(D::Error::custom)
    }
}
