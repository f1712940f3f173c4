//! What the card is given for a mechanism: padding and DigestInfo are this side's work, since the card must not hash again.

use countersign_card::SignAlgorithm;
use countersign_protocol::{
    cvc::PublicKey,
    mechanism::{Hash, Mechanism, Scheme},
};

/// DigestInfo up to the digest (RFC 8017, section 9.2, note 1).
const fn digest_info(hash: Hash) -> [u8; 19] {
    let (oid, length) = match hash {
        Hash::Sha256 => (0x01, 0x20),
        Hash::Sha384 => (0x02, 0x30),
        Hash::Sha512 => (0x03, 0x40),
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

/// Algorithm and input of the SIGN command; `None`: the key cannot do this.
pub fn card_input(
    mechanism: Mechanism,
    key: &PublicKey,
    digest: &[u8],
) -> Option<(SignAlgorithm, Vec<u8>)> {
    match (mechanism.scheme(), key) {
        (Scheme::Ecdsa, PublicKey::Ec(key)) => {
            // ECDSA takes the leftmost bits of a digest that is longer than the order (FIPS 186-5, section 6.4.1).
            let used = digest.len().min(key.curve().field_len());
            Some((SignAlgorithm::Ecdsa, digest.get(..used)?.to_vec()))
        }
        (Scheme::RsaPkcs1, PublicKey::Rsa(_)) => Some((
            SignAlgorithm::RsaPkcs1,
            [&digest_info(mechanism.hash()), digest].concat(),
        )),
        (Scheme::RsaPss, PublicKey::Rsa(_)) => Some((SignAlgorithm::RsaPss, digest.to_vec())),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digest_info_is_the_one_of_the_rfc() {
        assert_eq!(
            hex::encode(digest_info(Hash::Sha256)),
            "3031300d060960864801650304020105000420"
        );
        assert_eq!(
            hex::encode(digest_info(Hash::Sha512)),
            "3051300d060960864801650304020305000440"
        );
    }
}
