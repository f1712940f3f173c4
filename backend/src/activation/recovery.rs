//! What becomes of activations when the server starts again.

use countersign_protocol::{
    activation::{ActivationState, Answer, EndReason},
    audit::{Actor, AuditEvent},
    id::HsmId,
};

use super::{
    ActivationError,
    transition::{self, Change},
};
use crate::{
    app::App,
    store::{self, WriteTx, activations::Activation},
};

const WHY: &str = "the server was restarted";
const GONE: &str = "it is no longer in the server's configuration";

/// Leases never survive a restart. What had no quorum yet waits again, for every custodian.
///
/// # Errors
/// The database's.
pub async fn recover_after_restart(app: &App) -> Result<(), ActivationError> {
    let mut tx = app.store.write().await?;
    let active = store::activations::newest(
        tx.connection(),
        store::activations::Which::Active,
        None,
        usize::MAX,
        None,
    )
    .await?;
    let accepted = store::remote::list(tx.connection()).await?;
    let is_here = |hsm: &HsmId| {
        app.config.hsms.iter().any(|there| there.id == *hsm)
            || accepted.iter().any(|there| there.hsm == *hsm)
    };
    for id in active {
        let members = store::activations::members(tx.connection(), &id).await?;
        // What was signed on one HSM counts for all of a pool, and that count is gone.
        let over = members.iter().any(|member| member.was_open);
        for mut member in members {
            let change = match member.state {
                ActivationState::Ended { .. } => continue,
                _ if over => Change::End(EndReason::ServerRestarted),
                _ if !is_here(&member.terms.hsm.id) => Change::End(EndReason::HsmRemoved {
                    why: GONE.to_owned(),
                }),
                ActivationState::Collecting => {
                    forget(&mut tx, &mut member, WHY).await?;
                    Change::Requeue
                }
                ActivationState::Queued | ActivationState::Open { .. } => continue,
            };
            transition::apply(app, &mut tx, &mut member, change, &Actor::Server).await?;
        }
    }
    Ok(tx.commit().await?)
}

/// Marks everybody who has authenticated as forgotten, and says so.
///
/// # Errors
/// The database's.
pub(super) async fn forget(
    tx: &mut WriteTx,
    activation: &mut Activation,
    why: &str,
) -> Result<(), ActivationError> {
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
            "Whoever had authenticated must do so again: {why}."
        ));
        let event = AuditEvent::CustodiansForgotten {
            activation: id,
            why: why.to_owned(),
        };
        tx.audit(&Actor::Server, event).await?;
    }
    Ok(())
}
