//! Turns a recording into the manifest and the limits that custodians approve.

use std::collections::{HashMap, HashSet};

use countersign_client::recording::Recorded;
use countersign_protocol::{
    cvc::Fingerprint,
    file_digest::FileDigest,
    id::HsmId,
    manifest::{Manifest, ManifestFile},
};

use crate::{
    error::CliError,
    output::{count, printable},
};

/// The most likely cause of an empty recording.
pub const NOTHING_RECORDED: &str = "the command signed nothing through PKCS#11; `countersign pkcs11 env` shows how programs find the module";

/// What custodians approve, according to a recording.
pub struct Plan {
    pub hsm: HsmId,
    /// The keys, in the order of their first use.
    pub keys: Vec<Fingerprint>,
    pub files: Manifest,
    /// Number of different signatures.
    pub signatures: u32,
}

impl Plan {
    /// # Errors
    /// The recording is empty, uses keys of two HSMs, or contains a signature without a digest.
    pub fn new(recorded: Vec<Recorded>) -> Result<Self, CliError> {
        let Some(first) = recorded.first() else {
            return Err(CliError::Files(NOTHING_RECORDED.into()));
        };
        let hsm = first.hsm.clone();
        let mut keys = Vec::new();
        let mut seen = HashSet::new();
        let mut signatures = 0_u32;
        let mut digests: Vec<(FileDigest, String)> = Vec::new();
        for record in &recorded {
            if record.hsm != hsm {
                return Err(CliError::Files(format!(
                    "the command uses keys of HSM {hsm} and HSM {}: record each HSM's part of the command separately",
                    record.hsm
                )));
            }
            let digest = listable_digest(record)?;
            if !keys.contains(&record.key) {
                keys.push(record.key);
            }
            let request = &record.request;
            let signature = (
                record.key,
                request.mechanism,
                request.salt_length,
                digest.clone(),
            );
            if seen.insert(signature) {
                signatures = signatures.saturating_add(1);
            }
            if !digests.iter().any(|(known, _)| *known == digest) {
                digests.push((digest, name(record)));
            }
        }
        let files = Manifest::new(named(digests)).map_err(|error| {
            CliError::Files(format!("cannot list the recorded digests: {error}"))
        })?;
        Ok(Self {
            hsm,
            keys,
            files,
            signatures,
        })
    }
}

/// Returns the digest of a record. A record without one is rejected, because custodians could not tell what they
/// approve if the program applies the padding itself.
fn listable_digest(record: &Recorded) -> Result<FileDigest, CliError> {
    let request = &record.request;
    let hash = request.mechanism.hash();
    hash.and_then(|hash| FileDigest::new(hash, &request.digest))
        .ok_or_else(|| {
            CliError::Files(format!(
                "{} signs with key {} and mechanism {}, which signs no digest that custodians could approve. Configure it to \
                 use a mechanism with SHA-256, SHA-384 or SHA-512",
                printable(&record.program),
                printable(&record.label),
                request.mechanism
            ))
        })
}

/// The longest name of a digest, in characters.
const LONGEST_SHOWN: usize = 128;

/// Names a digest after the file or the program that it comes from.
fn name(record: &Recorded) -> String {
    let text = match &record.file {
        Some(file) => file.clone(),
        None if record.files.is_empty() => record.program.clone(),
        None => format!("{} {}", record.program, record.files.join(" ")),
    };
    let readable: String = printable(&text).chars().take(LONGEST_SHOWN).collect();
    if readable.trim().is_empty() {
        "an unnamed program".into()
    } else {
        readable
    }
}

/// Numbers the names that occur more than once.
fn named(digests: Vec<(FileDigest, String)>) -> Vec<ManifestFile> {
    let mut totals: HashMap<String, usize> = HashMap::new();
    for (_, name) in &digests {
        *totals.entry(name.clone()).or_default() += 1;
    }
    let mut numbers: HashMap<String, usize> = HashMap::new();
    digests
        .into_iter()
        .map(|(digest, name)| {
            let total = totals.get(&name).copied().unwrap_or(1);
            let number = numbers.entry(name.clone()).or_default();
            *number += 1;
            let name = if total > 1 {
                format!("{name}: {number} of {}", count(total, "digest"))
            } else {
                name
            };
            ManifestFile { name, digest }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use countersign_protocol::{
        mechanism::{Hash, Mechanism},
        signature::SignRequest,
    };

    use super::*;

    fn recorded(byte: u8, mechanism: Mechanism, file: Option<&str>) -> Recorded {
        let length = mechanism.hash().map_or(256, Hash::digest_len);
        Recorded {
            hsm: HsmId::new("release"),
            key: Fingerprint([1; 32]),
            label: "fit".into(),
            request: SignRequest::new(mechanism, vec![byte; length]),
            program: "mkimage".into(),
            files: vec!["image.fit".into()],
            file: file.map(str::to_owned),
        }
    }

    #[test]
    fn equal_requests_count_once_and_equal_names_are_numbered() {
        let rsa = Mechanism::RsaPkcs1Sha256;
        let plan = Plan::new(vec![
            recorded(1, rsa, None),
            recorded(2, rsa, None),
            recorded(1, rsa, None),
            recorded(3, rsa, Some("rootfs.img")),
            recorded(3, Mechanism::RsaPssSha256, None),
        ])
        .unwrap_or_else(|error| unreachable!("{error}"));
        let names: Vec<_> = plan.files.files().iter().map(|file| &file.name).collect();
        assert_eq!(
            names,
            [
                "mkimage image.fit: 1 of 2 digests",
                "mkimage image.fit: 2 of 2 digests",
                "rootfs.img"
            ]
        );
        assert_eq!((plan.signatures, plan.keys.len()), (4, 1));
    }

    #[test]
    fn digests_of_different_hash_functions_are_different_entries() {
        let plan = Plan::new(vec![
            recorded(1, Mechanism::RsaPkcs1Sha256, None),
            recorded(1, Mechanism::RsaPkcs1Sha384, None),
            recorded(1, Mechanism::RsaPssSha512, None),
        ])
        .unwrap_or_else(|error| unreachable!("{error}"));
        let hashes: Vec<_> = plan
            .files
            .files()
            .iter()
            .map(|file| file.digest.hash())
            .collect();
        assert_eq!(hashes, [Hash::Sha256, Hash::Sha384, Hash::Sha512]);
    }

    #[test]
    fn a_recording_without_digests_is_rejected() {
        assert!(Plan::new(vec![recorded(1, Mechanism::RsaRaw, None)]).is_err());
        assert!(Plan::new(Vec::new()).is_err());
    }
}
