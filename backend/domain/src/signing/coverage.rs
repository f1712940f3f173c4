//! Checks that the custodians approved a signature, and that the key supports it.

use countersign_protocol::{
    cvc::{HashAlgorithm, PublicKey},
    mechanism::Mechanism,
    signature::SignRequest,
    text::any_of,
};

use super::{SigningError, input::NoInput};
use crate::{
    activation::{ApprovedScope, Lease, LeaseKey, LeasePool, NotCovered},
    hsm::HsmError,
};

/// Finds the key that the request names.
pub(super) fn key<'a>(
    lease: &'a Lease,
    request: &SignRequest,
) -> Result<&'a LeaseKey, SigningError> {
    lease.key(request.key.as_ref()).ok_or_else(|| {
        SigningError::Invalid(match request.key {
            Some(key) => format!(
                "the activation does not include the key {}: request a new activation with this key",
                key.short()
            ),
            None => "the activation has several keys: name the one to sign with".into(),
        })
    })
}

pub(super) fn covered(
    pool: &LeasePool,
    key: &LeaseKey,
    request: &SignRequest,
) -> Result<(), SigningError> {
    match pool.covers(request.mechanism, &request.digest) {
        Ok(_) => {}
        Err(NotCovered::Digest) => {
            return Err(SigningError::NotInManifest(hex::encode(&request.digest)));
        }
        Err(NotCovered::Mechanism) => {
            let listed = |hash| match pool.scope() {
                ApprovedScope::Files(files) => files.keys().any(|digest| digest.hash() == hash),
                ApprovedScope::Anything { .. } | ApprovedScope::GenerateKey { .. } => false,
            };
            return Err(SigningError::Mechanism(format!(
                "no approved file has a digest with the hash function of `{}`: use {}",
                request.mechanism,
                mechanisms(&key.public_key, listed)
            )));
        }
    }
    let may_use_raw_rsa = matches!(
        pool.scope(), ApprovedScope::Anything { raw_rsa } if raw_rsa.contains(&key.fingerprint)
    );
    if request.mechanism == Mechanism::RsaRaw && !may_use_raw_rsa {
        return Err(SigningError::Mechanism(format!(
            "raw RSA was not allowed for the key `{}` when the activation was requested, because custodians cannot know what it \
             signs: use {}, or ask an admin to allow it and request a new activation",
            key.label,
            mechanisms(&key.public_key, |hash| hash == HashAlgorithm::Sha256)
        )));
    }
    Ok(())
}

/// A list of the key's mechanisms whose hash function is accepted by `is_meant`.
fn mechanisms(key: &PublicKey, is_meant: impl Fn(HashAlgorithm) -> bool) -> String {
    let names: Vec<_> = Mechanism::of_key(key)
        .into_iter()
        .filter(|mechanism| mechanism.hash().is_some_and(&is_meant))
        .map(|mechanism| format!("`{mechanism}`"))
        .collect();
    any_of(&names)
}

pub(super) fn refused_input(why: NoInput, request: &SignRequest, key: &LeaseKey) -> SigningError {
    let mechanism = request.mechanism;
    match why {
        NoInput::Mechanism => {
            let possible: Vec<_> = Mechanism::of_key(&key.public_key)
                .iter()
                .map(|mechanism| format!("`{mechanism}`"))
                .collect();
            SigningError::Mechanism(format!(
                "the key is {} and does not support `{mechanism}`: use {}",
                key.public_key.kind(),
                any_of(&possible)
            ))
        }
        NoInput::Salt(0) => {
            SigningError::Invalid(format!("`{mechanism}` has no salt: omit the salt length"))
        }
        NoInput::Salt(longest) => SigningError::Invalid(format!(
            "the salt is too long for this key: choose at most {longest} bytes"
        )),
        NoInput::Random => SigningError::Hsm(HsmError::Unavailable(
            "the operating system's random generator failed".into(),
        )),
    }
}
