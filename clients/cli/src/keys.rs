//! Finds keys by the name that the user gave, and chooses their mechanisms.

use std::{collections::BTreeSet, path::Path};

use countersign_protocol::{
    cvc::{Fingerprint, PublicKey},
    hsm::SigningKeyView,
    id::HsmId,
    mechanism::{Hash, Mechanism},
};

use crate::{
    error::CliError,
    output::{all_of, any_of, printable},
};

/// Returns the key with this label or fingerprint.
pub fn find<'a>(
    keys: &'a [SigningKeyView],
    name: &str,
    hsm: Option<&HsmId>,
) -> Result<&'a SigningKeyView, CliError> {
    let fingerprint = name.parse::<Fingerprint>().ok();
    let mut found = keys.iter().filter(|key| {
        (key.label == name || Some(key.fingerprint) == fingerprint)
            && hsm.is_none_or(|hsm| key.hsm == *hsm)
    });
    let Some(key) = found.next() else {
        if let Some(hsm) =
            hsm.filter(|hsm| !keys.is_empty() && keys.iter().all(|key| key.hsm != **hsm))
        {
            return Err(no_key_on_hsm(keys, hsm));
        }
        let known: Vec<String> = keys
            .iter()
            .map(|key| format!("{} (HSM {})", printable(&key.label), key.hsm))
            .collect();
        return Err(CliError::Key(if known.is_empty() {
            format!(
                "key `{name}` not found: the server has no keys. Connect the HSM, or ask an admin to generate a key"
            )
        } else {
            format!("key `{name}` not found: use one of {}", known.join(", "))
        }));
    };
    if let Some(other) = found.find(|other| other.fingerprint != key.fingerprint) {
        return Err(CliError::Key(format!(
            "`{name}` is the label of different keys on HSM {} and HSM {}: choose one with --hsm, or use the fingerprint",
            key.hsm, other.hsm
        )));
    }
    // Signatures are verified with the public key, so it must be the one that the fingerprint identifies.
    if key.public_key.fingerprint() != key.fingerprint {
        return Err(CliError::Untrusted(format!(
            "the server returned a public key for `{name}` that does not match the key's fingerprint: report this to an \
             admin"
        )));
    }
    Ok(key)
}

/// The error for an HSM that has no keys. It names the HSMs that have some.
pub fn no_key_on_hsm(keys: &[SigningKeyView], hsm: &HsmId) -> CliError {
    let hsms: BTreeSet<_> = keys.iter().map(|key| key.hsm.to_string()).collect();
    let hsms: Vec<String> = hsms.into_iter().collect();
    CliError::Key(if hsms.is_empty() {
        format!("HSM {hsm} not found, or it has no keys: the server has no keys")
    } else {
        format!(
            "HSM {hsm} not found, or it has no keys: the HSMs with keys are {}",
            all_of(&hsms)
        )
    })
}

pub const fn default_mechanism(key: &PublicKey) -> Mechanism {
    match key {
        PublicKey::Ec(_) => Mechanism::EcdsaSha256,
        PublicKey::Rsa(_) => Mechanism::RsaPkcs1Sha256,
    }
}

/// Returns the requested mechanism, or the default for the key's type, and its hash function.
pub fn mechanism(
    key: &PublicKey,
    requested: Option<Mechanism>,
) -> Result<(Mechanism, Hash), CliError> {
    let mechanism = requested.unwrap_or(default_mechanism(key));
    let possible = Mechanism::of_key(key);
    match mechanism.hash() {
        Some(hash) if possible.contains(&mechanism) => Ok((mechanism, hash)),
        _ => {
            let possible: Vec<String> = possible
                .into_iter()
                .map(|mechanism| mechanism.as_str().to_owned())
                .collect();
            Err(CliError::Key(format!(
                "a key of type {} cannot sign files with {mechanism}: use {}",
                key.kind(),
                any_of(&possible)
            )))
        }
    }
}

pub fn read_pem(file: &Path) -> Result<PublicKey, CliError> {
    let pem = std::fs::read_to_string(file)
        .map_err(|error| CliError::Files(format!("{}: {error}", file.display())))?;
    PublicKey::from_spki_pem(&pem)
        .map_err(|error| CliError::Key(format!("{}: {error}", file.display())))
}
