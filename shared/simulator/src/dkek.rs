//! Device key encryption key (DKEK): the XOR of its shares, and the keys that are derived from it.

use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

/// Length in bytes.
pub const LENGTH: usize = 32;

/// A complete DKEK.
pub struct Dkek(Zeroizing<[u8; LENGTH]>);

impl Dkek {
    pub fn new(key: [u8; LENGTH]) -> Self {
        Self(Zeroizing::new(key))
    }

    /// Key check value, which tells DKEKs apart.
    pub fn kcv(&self) -> [u8; 8] {
        let digest = Sha256::digest(self.0.as_slice());
        let mut kcv = [0; 8];
        kcv.copy_from_slice(&digest[..8]);
        kcv
    }

    /// Key that encrypts wrapped keys.
    pub fn encryption_key(&self) -> Zeroizing<[u8; 32]> {
        self.derive(1)
    }

    /// Key that authenticates wrapped keys.
    pub fn mac_key(&self) -> Zeroizing<[u8; 32]> {
        self.derive(2)
    }

    fn derive(&self, number: u8) -> Zeroizing<[u8; 32]> {
        let digest = Sha256::new()
            .chain_update(self.0.as_slice())
            .chain_update([0, 0, 0, number])
            .finalize();
        Zeroizing::new(digest.into())
    }
}
