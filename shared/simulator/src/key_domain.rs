//! Key domains. Keys of a domain can be copied between the cards that have its DKEK.

use serde::{Deserialize, Serialize};

use crate::dkek::{self, Dkek};

/// A key domain in the form in which the card file stores it.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct StoredKeyDomain {
    /// Number of shares of the DKEK; 0 if the card generated the DKEK, or has none.
    pub shares: u8,
    /// Number of shares that have not been imported yet.
    pub outstanding: u8,
    /// XOR of the imported shares in hex; `None` before the first share.
    pub dkek: Option<String>,
}

impl StoredKeyDomain {
    /// Creates a domain whose shares have not been imported yet.
    pub fn awaiting(shares: u8) -> Self {
        Self {
            shares,
            outstanding: shares,
            dkek: None,
        }
    }

    /// Creates a domain with a DKEK that only the card knows.
    pub fn with_dkek(key: &[u8; dkek::LENGTH]) -> Self {
        Self {
            shares: 0,
            outstanding: 0,
            dkek: Some(hex::encode(key)),
        }
    }

    /// Adds a share; returns `false` if no share is missing.
    pub fn import(&mut self, share: &[u8; dkek::LENGTH]) -> bool {
        if self.outstanding == 0 {
            return false;
        }
        let mut sum = self.sum().unwrap_or_default();
        for (byte, share) in sum.iter_mut().zip(share) {
            *byte ^= share;
        }
        self.dkek = Some(hex::encode(sum));
        self.outstanding -= 1;
        true
    }

    fn sum(&self) -> Option<[u8; dkek::LENGTH]> {
        hex::decode(self.dkek.as_ref()?).ok()?.try_into().ok()
    }

    /// The DKEK, if all its shares have been imported.
    pub fn dkek(&self) -> Option<Dkek> {
        self.sum().filter(|_| self.outstanding == 0).map(Dkek::new)
    }
}
