//! Invalidates approvals that the HSM no longer counts.

use countersign_protocol::{
    activation::Decision,
    audit::{Actor, AuditEvent},
};

use crate::store::{self, StoreError, WriteTx, activations::Activation};

/// Marks every approval of an activation as forgotten, with the reason.
pub(super) async fn forget(
    tx: &mut WriteTx,
    activation: &mut Activation,
    why: &str,
) -> Result<(), StoreError> {
    let id = activation.terms.id.clone();
    let mut forgotten = false;
    for mut decision in store::activations::decisions(tx.connection(), &id).await? {
        if matches!(decision.decision, Decision::Approved { .. }) {
            decision.decision = Decision::ApprovalLost {
                why: why.to_owned(),
            };
            decision.statement = None;
            store::activations::put_decision(tx.connection(), &id, &decision).await?;
            forgotten = true;
        }
    }
    if forgotten {
        activation.notice = Some(format!(
            "Custodians who have approved must approve again: {why}."
        ));
        let event = AuditEvent::ApprovalsLost {
            activation: id,
            why: why.to_owned(),
        };
        tx.audit(&Actor::Server, event).await?;
    }
    Ok(())
}
