//! Key domains: keys of one domain can move between the cards that have its DKEK.

use serde::{Deserialize, Serialize};

use crate::dkek::{self, Dkek};

/// A key domain.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct StoredKeyDomain {
    /// Shares that the DKEK has; 0: drawn by the card, or none.
    pub shares: u8,
    /// Shares that are missing.
    pub outstanding: u8,
    /// XOR of the shares so far, in hex; `None`: no share.
    pub dkek: Option<String>,
}

impl StoredKeyDomain {
    /// A domain that waits for its shares.
    pub fn awaiting(shares: u8) -> Self {
        Self {
            shares,
            outstanding: shares,
            dkek: None,
        }
    }

    /// A domain whose DKEK nobody but the card knows.
    pub fn with_dkek(key: &[u8; dkek::LENGTH]) -> Self {
        Self {
            shares: 0,
            outstanding: 0,
            dkek: Some(hex::encode(key)),
        }
    }

    /// Adds a share; `false`: none is missing.
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

    /// The DKEK, once it is complete.
    pub fn dkek(&self) -> Option<Dkek> {
        self.sum().filter(|_| self.outstanding == 0).map(Dkek::new)
    }
}
