//! Which custodians can still approve an activation.

use countersign_protocol::{
    activation::{ActivationTerms, Answer},
    hsm::RegisteredCustodian,
    id::OperatorId,
};
use sqlx::SqliteConnection;

use crate::store::{self, StoreError, activations::StoredAnswer};

/// Custodians of an HSM who may approve what this person requests: their key was not revoked, and nobody approves their own
/// request.
pub fn eligible<'a>(
    registered: &'a [RegisteredCustodian],
    requester: &OperatorId,
) -> impl Iterator<Item = &'a RegisteredCustodian> {
    registered
        .iter()
        .filter(move |custodian| !custodian.revoked && custodian.person.id != *requester)
}

/// How an activation's custodians stand.
pub struct Willing {
    /// Those who can approve, or have approved.
    pub count: usize,
    /// Somebody whose key was revoked is among those that the card counts.
    pub revoked_is_counted: bool,
}

/// Counts the custodians of one activation who have not declined.
///
/// # Errors
/// The database fails.
pub async fn willing(
    connection: &mut SqliteConnection,
    terms: &ActivationTerms,
) -> Result<Willing, StoreError> {
    let registered = store::hsms::custodians(connection, &terms.hsm.id).await?;
    let answers = store::activations::answers(connection, &terms.id).await?;
    let declined = |custodian: &&RegisteredCustodian| {
        let own = |answer: &&StoredAnswer| answer.key == custodian.key;
        let answer = answers.iter().find(own).map(|answer| &answer.answer);
        matches!(answer, Some(Answer::Declined { .. }))
    };
    let approved = |answer: &StoredAnswer| matches!(answer.answer, Answer::Authenticated { .. });
    let is_revoked = |answer: &StoredAnswer| {
        let mut revoked = registered.iter().filter(|custodian| custodian.revoked);
        revoked.any(|custodian| custodian.key == answer.key)
    };
    Ok(Willing {
        count: eligible(&registered, &terms.requester.id)
            .filter(|custodian| !declined(custodian))
            .count(),
        revoked_is_counted: answers
            .iter()
            .any(|answer| approved(answer) && is_revoked(answer)),
    })
}
