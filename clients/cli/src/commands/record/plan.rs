//! From what was recorded to what custodians are asked for.

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

/// Why a recording is empty, as far as can be told.
pub const NOTHING_SIGNED: &str = "the command had nothing signed through PKCS#11: `countersign pkcs11 env` tells how programs find the module";

/// A sealed recording.
pub struct Plan {
    /// The HSM.
    pub hsm: HsmId,
    /// The keys, in the order of their first use.
    pub keys: Vec<Fingerprint>,
    /// The digests.
    pub files: Manifest,
    /// Different signatures.
    pub signatures: u32,
}

impl Plan {
    /// Makes the list that custodians approve.
    ///
    /// # Errors
    /// Nothing was recorded, or something that no list can hold.
    pub fn seal(recorded: Vec<Recorded>) -> Result<Self, CliError> {
        let Some(first) = recorded.first() else {
            return Err(CliError::Files(NOTHING_SIGNED.into()));
        };
        let hsm = first.hsm.clone();
        let mut keys = Vec::new();
        let mut seen = HashSet::new();
        let mut signatures = 0_u32;
        let mut digests: Vec<(FileDigest, String)> = Vec::new();
        for record in &recorded {
            if record.hsm != hsm {
                return Err(CliError::Files(format!(
                    "the command uses keys of two HSMs, {hsm} and {}: record it in parts, one for each",
                    record.hsm
                )));
            }
            let digest = checkable(record)?;
            if !keys.contains(&record.key) {
                keys.push(record.key);
            }
            let request = &record.request;
            let same = (
                record.key,
                request.mechanism,
                request.salt_length,
                digest.clone(),
            );
            if seen.insert(same) {
                signatures = signatures.saturating_add(1);
            }
            if !digests.iter().any(|(known, _)| *known == digest) {
                digests.push((digest, name(record)));
            }
        }
        let files = Manifest::new(named(digests))
            .map_err(|error| CliError::Files(format!("the recording makes no list: {error}")))?;
        Ok(Self {
            hsm,
            keys,
            files,
            signatures,
        })
    }
}

/// Custodians approve digests; of what a program padded itself nobody could tell what it is.
fn checkable(record: &Recorded) -> Result<FileDigest, CliError> {
    let request = &record.request;
    let hash = request.mechanism.hash();
    hash.and_then(|hash| FileDigest::new(hash, &request.digest))
        .ok_or_else(|| {
            CliError::Files(format!(
                "{} signs by {} with {}, which is no digest that a list for custodians could hold. Let it use a mechanism \
                 with SHA-256, SHA-384 or SHA-512",
                printable(&record.program),
                request.mechanism,
                printable(&record.label)
            ))
        })
}

/// The longest name of a digest, in characters.
const LONGEST_SHOWN: usize = 128;

/// What is known of where a digest comes from.
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

/// Names that occur more than once are numbered.
fn named(digests: Vec<(FileDigest, String)>) -> Vec<ManifestFile> {
    let mut all: HashMap<String, usize> = HashMap::new();
    for (_, name) in &digests {
        *all.entry(name.clone()).or_default() += 1;
    }
    let mut so_far: HashMap<String, usize> = HashMap::new();
    digests
        .into_iter()
        .map(|(digest, name)| {
            let total = all.get(&name).copied().unwrap_or(1);
            let number = so_far.entry(name.clone()).or_default();
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
    fn repeated_requests_are_one_and_names_are_told_apart() {
        let rsa = Mechanism::RsaPkcs1Sha256;
        let plan = Plan::seal(vec![
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

    /// The same content by two hash functions is two entries: each is signed by itself.
    #[test]
    fn every_hash_function_can_be_listed() {
        let plan = Plan::seal(vec![
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
    fn what_nobody_could_check_is_refused() {
        assert!(Plan::seal(vec![recorded(1, Mechanism::RsaRaw, None)]).is_err());
        assert!(Plan::seal(Vec::new()).is_err());
    }
}
