//! Views of recorded signatures.

use countersign_protocol::{
    activation::ActivationTerms,
    file_digest::FileDigest,
    id::ActivationId,
    mechanism::Mechanism,
    purpose::{Purpose, Scope},
    signature::{SignRequest, SignatureView},
};

use super::SigningError;
use crate::store::signatures::StoredSignature;

/// Returns the recorded signature of a request.
///
/// # Errors
/// The idempotency key was used for a different request, or the outcome of the signature is unknown.
pub(super) fn answer(
    terms: &ActivationTerms,
    id: &ActivationId,
    stored: StoredSignature,
    request: &SignRequest,
) -> Result<SignatureView, SigningError> {
    let same = stored.mechanism == request.mechanism
        && stored.digest == request.digest
        && stored.salt_length == request.salt_length
        && request.key.is_none_or(|key| stored.key == key);
    if !same {
        return Err(SigningError::IdempotencyMismatch);
    }
    to_view(terms, id, stored).ok_or(SigningError::UnknownOutcome)
}

/// The view of a signature; `None` if its outcome is unknown.
pub fn to_view(
    terms: &ActivationTerms,
    activation: &ActivationId,
    stored: StoredSignature,
) -> Option<SignatureView> {
    let (signature, made_at) = stored.made?;
    let name = file_name(terms, stored.mechanism, &stored.digest);
    Some(SignatureView {
        id: stored.id,
        activation: activation.clone(),
        key: stored.key,
        mechanism: stored.mechanism,
        digest: stored.digest,
        salt_length: stored.salt_length,
        name,
        signature,
        made_at,
    })
}

fn file_name(terms: &ActivationTerms, mechanism: Mechanism, digest: &[u8]) -> Option<String> {
    let Purpose::Sign {
        scope: Scope::Manifest { files },
        ..
    } = &terms.purpose
    else {
        return None;
    };
    let digest = FileDigest::new(mechanism.hash()?, digest)?;
    files
        .files()
        .iter()
        .find(|file| file.digest == digest)
        .map(|file| file.name.clone())
}
