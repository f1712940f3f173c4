//! EMSA-PSS (RFC 8017, section 9.1.1), for salts that a card does not make by itself.

use sha2::{Digest, Sha256, Sha384, Sha512};

use countersign_protocol::mechanism::Hash;

fn hash(hash: Hash, parts: &[&[u8]]) -> Vec<u8> {
    fn run<D: Digest>(parts: &[&[u8]]) -> Vec<u8> {
        let mut digest = D::new();
        for part in parts {
            digest.update(part);
        }
        digest.finalize().to_vec()
    }
    match hash {
        Hash::Sha256 => run::<Sha256>(parts),
        Hash::Sha384 => run::<Sha384>(parts),
        Hash::Sha512 => run::<Sha512>(parts),
    }
}

/// Longest salt that fits beside a digest in a modulus of so many bits.
pub fn longest_salt(algorithm: Hash, modulus_bits: usize) -> Option<usize> {
    (modulus_bits - 1)
        .div_ceil(8)
        .checked_sub(algorithm.digest_len() + 2)
}

/// The block to be signed, as long as the modulus; `None`: the salt is too long for it.
pub fn encode(algorithm: Hash, digest: &[u8], salt: &[u8], modulus_bits: usize) -> Option<Vec<u8>> {
    let bits = modulus_bits.checked_sub(1)?;
    let length = bits.div_ceil(8);
    if salt.len() > longest_salt(algorithm, modulus_bits)? {
        return None;
    }
    let hashed = hash(algorithm, &[&[0; 8], digest, salt]);
    let mut block = vec![0; length - salt.len() - hashed.len() - 2];
    block.push(1);
    block.extend_from_slice(salt);
    // MGF1 (appendix B.2.1).
    let mask = (0_u32..).flat_map(|counter| hash(algorithm, &[&hashed, &counter.to_be_bytes()]));
    for (byte, mask) in block.iter_mut().zip(mask) {
        *byte ^= mask;
    }
    if let Some(first) = block.first_mut() {
        *first &= 0xFF >> (length * 8 - bits);
    }
    block.extend_from_slice(&hashed);
    block.push(0xBC);
    // With a modulus of 8k + 1 bits the block is a byte shorter than the modulus.
    let missing = modulus_bits.div_ceil(8) - length;
    Some([vec![0; missing], block].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn salts_fit_or_are_refused() {
        let digest = [7; 32];
        assert_eq!(longest_salt(Hash::Sha256, 2048), Some(222));
        let block = encode(Hash::Sha256, &digest, &[1; 222], 2048).expect("it fits");
        assert_eq!((block.len(), block.last()), (256, Some(&0xBC)));
        assert_eq!(encode(Hash::Sha256, &digest, &[1; 223], 2048), None);
        assert_eq!(longest_salt(Hash::Sha512, 512), None);
    }
}
