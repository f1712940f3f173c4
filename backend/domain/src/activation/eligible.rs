//! Determines which custodians can still approve an activation.

use countersign_protocol::{
    activation::{ActivationTerms, Answer},
    hsm::RegisteredCustodian,
    id::OperatorId,
};
use sqlx::SqliteConnection;

use crate::store::{self, StoreError, activations::StoredAnswer};

/// The custodians of an HSM who may approve a request of this person: their keys are not revoked, and they are not the requester
/// themselves.
pub fn eligible<'a>(
    registered: &'a [RegisteredCustodian],
    requester: &OperatorId,
) -> impl Iterator<Item = &'a RegisteredCustodian> {
    registered
        .iter()
        .filter(move |custodian| !custodian.revoked && custodian.person.id != *requester)
}

pub struct Willing {
    /// Number of custodians who can approve or have approved.
    pub count: usize,
    /// Whether the HSM counts an approval by a key that was revoked afterwards.
    pub revoked_is_counted: bool,
}

/// Counts the eligible custodians of one activation who have not declined.
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
