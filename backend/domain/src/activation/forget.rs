//! Approvals that the card no longer counts.

use countersign_protocol::{
    activation::Answer,
    audit::{Actor, AuditEvent},
};

use crate::store::{self, StoreError, WriteTx, activations::Activation};

/// Marks every approval as forgotten, with the reason.
pub(super) async fn forget(
    tx: &mut WriteTx,
    activation: &mut Activation,
    why: &str,
) -> Result<(), StoreError> {
    let id = activation.terms.id.clone();
    let mut forgotten = false;
    for mut answer in store::activations::answers(tx.connection(), &id).await? {
        if matches!(answer.answer, Answer::Authenticated { .. }) {
            answer.answer = Answer::Forgotten {
                why: why.to_owned(),
            };
            answer.statement = None;
            store::activations::put_answer(tx.connection(), &id, &answer).await?;
            forgotten = true;
        }
    }
    if forgotten {
        activation.notice = Some(format!(
            "Custodians who had approved have to approve again: {why}."
        ));
        let event = AuditEvent::CustodiansForgotten {
            activation: id,
            why: why.to_owned(),
        };
        tx.audit(&Actor::Server, event).await?;
    }
    Ok(())
}
