//! Determines which custodians can still approve an activation.

use countersign_protocol::{
    activation::{ActivationTerms, Decision},
    hsm::RegisteredCustodian,
    id::OperatorId,
};
use sqlx::SqliteConnection;

use crate::store::{self, StoreError, activations::StoredDecision};

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
    let decisions = store::activations::decisions(connection, &terms.id).await?;
    let declined = |custodian: &&RegisteredCustodian| {
        let own = |decision: &&StoredDecision| decision.key == custodian.key;
        let decision = decisions
            .iter()
            .find(own)
            .map(|decision| &decision.decision);
        matches!(decision, Some(Decision::Declined { .. }))
    };
    let approved =
        |decision: &StoredDecision| matches!(decision.decision, Decision::Approved { .. });
    let is_revoked = |decision: &StoredDecision| {
        let mut revoked = registered.iter().filter(|custodian| custodian.revoked);
        revoked.any(|custodian| custodian.key == decision.key)
    };
    Ok(Willing {
        count: eligible(&registered, &terms.requester.id)
            .filter(|custodian| !declined(custodian))
            .count(),
        revoked_is_counted: decisions
            .iter()
            .any(|decision| approved(decision) && is_revoked(decision)),
    })
}
