//! Verifies the key of a custodian from its stored attestation, because the database may have been changed.

use countersign_protocol::cvc::{AttestedKey, Fingerprint, PkaFile, TrustAnchors, attestation};

use crate::store::operators::Operator;

/// Verifies the stored `.pka` file of an operator, which must attest the key with this fingerprint, and returns both.
///
/// # Errors
/// The reason why the stored key cannot be used, as a text for people.
pub(super) fn attested_key(
    operator: &Operator,
    key: &Fingerprint,
    anchors: &TrustAnchors,
) -> Result<(AttestedKey, PkaFile), String> {
    let file = PkaFile::parse(&operator.pka).map_err(|error| error.to_string())?;
    let attested = attestation::verify(&file, anchors).map_err(|error| error.to_string())?;
    attested
        .check_custodian_policy()
        .map_err(|error| error.to_string())?;
    let enrolled = &operator.view.key;
    let agree = attested.fingerprint() == *key
        && enrolled.fingerprint == *key
        && enrolled.public_key == *attested.public_key()
        && enrolled.chr == *attested.chr();
    if agree {
        Ok((attested, file))
    } else {
        Err(format!(
            "the stored key of {} differs from its stored attestation, so another program changed the database; restore a \
             backup, or ask the custodian to enrol again",
            operator.view.person.name
        ))
    }
}
