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
pub struct Hashed {
    /// For people, and other programs.
    pub sha256: Sha256Digest,
    /// What manifests name, and what is signed: the same, unless the mechanism has another hash.
    pub digest: FileDigest,
}

enum Further {
    None,
    Sha384(Sha384),
    Sha512(Sha512),
}

/// Hashes a file once for both digests; `advance` hears of the bytes read.
pub fn hash_file(path: &Path, hash: Hash, mut advance: impl FnMut(u64)) -> io::Result<Hashed> {
    let mut file = File::open(path)?;
    let mut sha256 = Sha256::new();
    let mut further = match hash {
        Hash::Sha256 => Further::None,
        Hash::Sha384 => Further::Sha384(Sha384::new()),
        Hash::Sha512 => Further::Sha512(Sha512::new()),
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
        match &mut further {
            Further::None => {}
            Further::Sha384(hasher) => hasher.update(bytes),
            Further::Sha512(hasher) => hasher.update(bytes),
        }
        advance(count as u64);
    }
    let sha256 = Sha256Digest(sha256.finalize().into());
    let digest = match further {
        Further::None => sha256.into(),
        Further::Sha384(hasher) => <[u8; 48]>::from(hasher.finalize()).into(),
        Further::Sha512(hasher) => <[u8; 64]>::from(hasher.finalize()).into(),
    };
    Ok(Hashed { sha256, digest })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_those_of_the_content() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        // Longer than one chunk, and no multiple of it.
        let content = vec![0xA5; CHUNK * 2 + 17];
        std::fs::write(&path, &content).unwrap();
        let mut seen = 0;
        let hashed = hash_file(&path, Hash::Sha256, |bytes| seen += bytes).unwrap();
        assert_eq!(seen, content.len() as u64);
        assert_eq!(hashed.sha256, Sha256Digest::of(&content));
        assert_eq!(hashed.digest, hashed.sha256.into());
        let hashed = hash_file(&path, Hash::Sha384, |_| ()).unwrap();
        assert_eq!(hashed.sha256, Sha256Digest::of(&content));
        assert_eq!(
            hashed.digest.as_bytes(),
            Sha384::digest(&content).as_slice()
        );
        let hashed = hash_file(&path, Hash::Sha512, |_| ()).unwrap();
        assert_eq!(
            hashed.digest.as_bytes(),
            Sha512::digest(&content).as_slice()
        );
    }

    #[test]
    fn an_empty_file_has_a_digest() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("empty");
        std::fs::write(&path, "").unwrap();
        let hashed = hash_file(&path, Hash::Sha256, |_| ()).unwrap();
        assert_eq!(hashed.sha256, Sha256Digest::of(b""));
    }
}
