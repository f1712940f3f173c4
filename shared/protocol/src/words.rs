//! Words with which people compare values by phone or on two screens.
//!
//! Attested keys have six words; see [`Fingerprint::words`]. Everything here has ten, because a computer can try enough values to
//! find one with the same six words: a software key takes microseconds to generate, and a manifest can be changed in places that
//! nobody reads.

use countersign_cvc::Fingerprint;

use crate::digest::Sha256Digest;

/// The words of a server's identity key, which no device attests.
pub fn of_server_key(key: &Fingerprint) -> String {
    key.long_words().join(" ")
}

/// The words of a manifest, from its digest.
pub fn of_manifest(digest: &Sha256Digest) -> String {
    Fingerprint(*digest.as_bytes()).long_words().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_computer_can_search_for_has_ten_words() {
        let digest = Sha256Digest::of(b"a manifest");
        let key = Fingerprint(*digest.as_bytes());
        assert_eq!(of_manifest(&digest).split(' ').count(), 10);
        assert_eq!(of_server_key(&key), of_manifest(&digest));
        assert!(of_server_key(&key).starts_with(&key.words().join(" ")));
    }
}
