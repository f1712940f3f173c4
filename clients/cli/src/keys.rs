//! Finding a key by the name that the user gave, and what to do with it.

use std::{collections::BTreeSet, path::Path};

use countersign_protocol::{
    cvc::{Fingerprint, PublicKey},
    hsm::SigningKeyView,
    id::HsmId,
    mechanism::{Hash, Mechanism},
};

use crate::{error::CliError, output::printable};

/// The key with this label or fingerprint.
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
            return Err(no_hsm(keys, hsm));
        }
        let known: Vec<String> = keys
            .iter()
            .map(|key| format!("{} (HSM {})", printable(&key.label), key.hsm))
            .collect();
        let known = if known.is_empty() {
            "the server has no key at all; is the HSM connected?".to_owned()
        } else {
            format!("the server has {}", known.join(", "))
        };
        return Err(CliError::Key(format!("there is no key `{name}`: {known}")));
    };
    if let Some(other) = found.find(|other| other.fingerprint != key.fingerprint) {
        return Err(CliError::Key(format!(
            "`{name}` stands for different keys on the HSMs {} and {}: choose with --hsm, or name the key by its \
             fingerprint",
            key.hsm, other.hsm
        )));
    }
    // What signatures are verified with must be what the fingerprint stands for.
    if key.public_key.fingerprint() != key.fingerprint {
        return Err(CliError::Untrue(format!(
            "the server gives a public key for `{name}` that does not have the fingerprint it names"
        )));
    }
    Ok(key)
}

/// That this HSM has no key, and which have.
pub fn no_hsm(keys: &[SigningKeyView], hsm: &HsmId) -> CliError {
    let hsms: BTreeSet<_> = keys.iter().map(|key| key.hsm.to_string()).collect();
    let hsms: Vec<String> = hsms.into_iter().collect();
    let others = if hsms.is_empty() {
        "the server has no key at all".to_owned()
    } else {
        format!("those with keys are {}", hsms.join(", "))
    };
    CliError::Key(format!("there is no HSM `{hsm}` with a key: {others}"))
}

/// What signs with this key where nobody says.
pub const fn usual(key: &PublicKey) -> Mechanism {
    match key {
        PublicKey::Ec(_) => Mechanism::EcdsaSha256,
        PublicKey::Rsa(_) => Mechanism::RsaPkcs1Sha256,
    }
}

/// The mechanism that was asked for, or the usual one of the key's type, and its hash.
pub fn mechanism(
    key: &PublicKey,
    wanted: Option<Mechanism>,
) -> Result<(Mechanism, Hash), CliError> {
    let mechanism = wanted.unwrap_or(usual(key));
    let possible = Mechanism::of_key(key);
    match mechanism.hash() {
        Some(hash) if possible.contains(&mechanism) => Ok((mechanism, hash)),
        _ => {
            let possible: Vec<&str> = possible.into_iter().map(Mechanism::as_str).collect();
            Err(CliError::Key(format!(
                "files cannot be signed by {mechanism} with a key of type {}: choose one of {}",
                key.kind(),
                possible.join(", ")
            )))
        }
    }
}

/// A public key out of a PEM file.
pub fn read_pem(file: &Path) -> Result<PublicKey, CliError> {
    let pem = std::fs::read_to_string(file)
        .map_err(|error| CliError::Files(format!("{}: {error}", file.display())))?;
    PublicKey::from_spki_pem(&pem)
        .map_err(|error| CliError::Key(format!("{}: {error}", file.display())))
}
