//! Streaming digests of files.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

use countersign_protocol::{digest::Sha256Digest, file_digest::FileDigest, mechanism::Hash};
use sha2::{Digest, Sha256, Sha384, Sha512};

const CHUNK: usize = 256 * 1024;

/// Digests of one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Digests {
    /// Always computed, because people and other programs expect SHA-256.
    pub sha256: Sha256Digest,
    /// The digest that is listed in manifests and signed. It differs from `sha256` if the mechanism uses another hash
    /// function.
    pub digest: FileDigest,
}

/// The second hash function, if it is not SHA-256.
enum SecondHasher {
    None,
    Sha384(Sha384),
    Sha512(Sha512),
}

/// Reads a file once and computes both digests. `advance` is called with the number of bytes of each chunk.
pub fn hash_file(path: &Path, hash: Hash, mut advance: impl FnMut(u64)) -> io::Result<Digests> {
    let mut file = File::open(path)?;
    let mut sha256 = Sha256::new();
    let mut second = match hash {
        Hash::Sha256 => SecondHasher::None,
        Hash::Sha384 => SecondHasher::Sha384(Sha384::new()),
        Hash::Sha512 => SecondHasher::Sha512(Sha512::new()),
    };
    let mut chunk = vec![0; CHUNK];
    loop {
        let count = match file.read(&mut chunk) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        let bytes = chunk.get(..count).unwrap_or_default();
        sha256.update(bytes);
        match &mut second {
            SecondHasher::None => {}
            SecondHasher::Sha384(hasher) => hasher.update(bytes),
            SecondHasher::Sha512(hasher) => hasher.update(bytes),
        }
        advance(count as u64);
    }
    let sha256 = Sha256Digest(sha256.finalize().into());
    let digest = match second {
        SecondHasher::None => sha256.into(),
        SecondHasher::Sha384(hasher) => <[u8; 48]>::from(hasher.finalize()).into(),
        SecondHasher::Sha512(hasher) => <[u8; 64]>::from(hasher.finalize()).into(),
    };
    Ok(Digests { sha256, digest })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digests_match_the_content() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        // The length is not a multiple of the chunk's.
        let content = vec![0xA5; CHUNK * 2 + 17];
        std::fs::write(&path, &content).unwrap();
        let mut read = 0;
        let digests = hash_file(&path, Hash::Sha256, |bytes| read += bytes).unwrap();
        assert_eq!(read, content.len() as u64);
        assert_eq!(digests.sha256, Sha256Digest::of(&content));
        assert_eq!(digests.digest, digests.sha256.into());
        let digests = hash_file(&path, Hash::Sha384, |_| ()).unwrap();
        assert_eq!(digests.sha256, Sha256Digest::of(&content));
        assert_eq!(
            digests.digest.as_bytes(),
            Sha384::digest(&content).as_slice()
        );
        let digests = hash_file(&path, Hash::Sha512, |_| ()).unwrap();
        assert_eq!(
            digests.digest.as_bytes(),
            Sha512::digest(&content).as_slice()
        );
    }

    #[test]
    fn an_empty_file_has_a_digest() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("empty");
        std::fs::write(&path, "").unwrap();
        let digests = hash_file(&path, Hash::Sha256, |_| ()).unwrap();
        assert_eq!(digests.sha256, Sha256Digest::of(b""));
    }
}
