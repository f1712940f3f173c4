//! From what was recorded to what custodians are asked for.

use std::collections::{HashMap, HashSet};

use countersign_client::recording::Recorded;
use countersign_protocol::{
    cvc::Fingerprint,
    digest::Sha256Digest,
    id::HsmId,
    manifest::{MAX_NAME, Manifest, ManifestFile},
    mechanism::Hash,
};

use crate::{
    error::CliError,
    output::{count, printable},
};

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
            return Err(CliError::Files(
                "the command had nothing signed through PKCS#11: `countersign pkcs11 env` tells how programs find the \
                 module"
                    .into(),
            ));
        };
        let hsm = first.hsm.clone();
        let mut keys = Vec::new();
        let mut seen = HashSet::new();
        let mut signatures = 0_u32;
        let mut digests: Vec<(Sha256Digest, String)> = Vec::new();
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
            let same = (record.key, request.mechanism, request.salt_length, digest);
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

/// Custodians approve SHA-256 digests.
fn checkable(record: &Recorded) -> Result<Sha256Digest, CliError> {
    let digest = record
        .request
        .digest
        .as_slice()
        .try_into()
        .map(Sha256Digest);
    match (record.request.mechanism.hash(), digest) {
        (Some(Hash::Sha256), Ok(digest)) => Ok(digest),
        _ => Err(CliError::Files(format!(
            "{} signs by {} with {}: a list that custodians approve holds only SHA-256 digests. Let it use SHA-256",
            printable(&record.program),
            record.request.mechanism,
            printable(&record.label)
        ))),
    }
}

/// What is known of where a digest comes from.
fn name(record: &Recorded) -> String {
    let text = match &record.file {
        Some(file) => file.clone(),
        None if record.files.is_empty() => record.program.clone(),
        None => format!("{} {}", record.program, record.files.join(" ")),
    };
    let readable: String = printable(&text).chars().take(MAX_NAME / 8).collect();
    if readable.trim().is_empty() {
        "an unnamed program".into()
    } else {
        readable
    }
}

/// Names that occur more than once are numbered.
fn named(digests: Vec<(Sha256Digest, String)>) -> Vec<ManifestFile> {
    let mut all: HashMap<String, usize> = HashMap::new();
    for (_, name) in &digests {
        *all.entry(name.clone()).or_default() += 1;
    }
    let mut so_far: HashMap<String, usize> = HashMap::new();
    digests
        .into_iter()
        .map(|(sha256, name)| {
            let total = all.get(&name).copied().unwrap_or(1);
            let number = so_far.entry(name.clone()).or_default();
            *number += 1;
            let name = if total > 1 {
                format!("{name}: {number} of {}", count(total, "digest"))
            } else {
                name
            };
            ManifestFile { name, sha256 }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use countersign_protocol::{mechanism::Mechanism, signature::SignRequest};

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

    #[test]
    fn what_nobody_could_check_is_refused() {
        for mechanism in [Mechanism::RsaPkcs1Sha512, Mechanism::RsaRaw] {
            assert!(Plan::seal(vec![recorded(1, mechanism, None)]).is_err());
        }
        assert!(Plan::seal(Vec::new()).is_err());
    }
}
