//! Whether the custodians approved a signature, and whether the key can make it.

use countersign_protocol::{
    cvc::{HashAlgorithm, PublicKey},
    mechanism::Mechanism,
    signature::SignRequest,
};

use super::{SigningError, input::NoInput};
use crate::{
    activation::{ApprovedScope, Lease, LeaseKey, LeasePool, NotCovered},
    hsm::HsmError,
    store::{self, Store},
};

/// The key that is to sign.
pub(super) fn key<'a>(
    lease: &'a Lease,
    request: &SignRequest,
) -> Result<&'a LeaseKey, SigningError> {
    lease.key(request.key.as_ref()).ok_or_else(|| {
        SigningError::Invalid(match request.key {
            Some(key) => format!(
                "the key {} was not approved for this activation: request one with it",
                key.short()
            ),
            None => "this activation has several keys: name the one that is to sign".into(),
        })
    })
}

pub(super) async fn covered(
    store: &Store,
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
                ApprovedScope::Anything | ApprovedScope::GenerateKey { .. } => false,
            };
            return Err(SigningError::Mechanism(format!(
                "the custodians approved no digest of the hash function of `{}`: use a mechanism with one of the list, \
                 {}",
                request.mechanism,
                mechanisms(&key.public_key, listed)
            )));
        }
    }
    if request.mechanism == Mechanism::RsaRaw {
        let mut connection = store.read().await?;
        let record = store::keys::load(&mut connection, &key.fingerprint).await?;
        if !record.settings.raw_rsa {
            return Err(SigningError::Mechanism(format!(
                "raw RSA is not allowed for the key `{}`, because custodians cannot know what it signs: use {}, or have an \
                 admin allow it",
                key.label,
                mechanisms(&key.public_key, |hash| hash == HashAlgorithm::Sha256)
            )));
        }
    }
    Ok(())
}

/// The key's mechanisms with such a hash function, in words.
fn mechanisms(key: &PublicKey, is_meant: impl Fn(HashAlgorithm) -> bool) -> String {
    let names: Vec<_> = Mechanism::of_key(key)
        .into_iter()
        .filter(|mechanism| mechanism.hash().is_some_and(&is_meant))
        .map(|mechanism| format!("`{mechanism}`"))
        .collect();
    names.join(" or ")
}

pub(super) fn refused_input(why: NoInput, request: &SignRequest, key: &LeaseKey) -> SigningError {
    let mechanism = request.mechanism;
    match why {
        NoInput::Mechanism => {
            let possible: Vec<_> = Mechanism::of_key(&key.public_key)
                .iter()
                .map(ToString::to_string)
                .collect();
            SigningError::Mechanism(format!(
                "the key is {}: it supports {}, not `{mechanism}`",
                key.public_key.kind(),
                possible.join(" or ")
            ))
        }
        NoInput::Salt(0) => SigningError::Invalid(format!("`{mechanism}` has no salt")),
        NoInput::Salt(longest) => SigningError::Invalid(format!(
            "the salt is too long for this key: {longest} bytes at most"
        )),
        NoInput::Random => SigningError::Hsm(HsmError::Unavailable(
            "the operating system's random generator failed".into(),
        )),
    }
}
