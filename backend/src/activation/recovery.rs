//! What becomes of activations when the server starts again.

use countersign_protocol::{
    activation::{ActivationState, Answer, EndReason},
    audit::{Actor, AuditEvent},
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

/// Leases never survive a restart. What had no quorum yet waits again, for every custodian.
///
/// # Errors
/// The database's.
pub async fn recover_after_restart(app: &App) -> Result<(), ActivationError> {
    let mut tx = app.store.write().await?;
    let active = store::activations::ids(
        tx.connection(),
        store::activations::Which::Active,
        None,
        u32::MAX,
    )
    .await?;
    for id in active {
        let mut activation = super::load(tx.connection(), &id).await?;
        match activation.state {
            ActivationState::Open { .. } => {
                let change = Change::End(EndReason::ServerRestarted);
                transition::apply(app, &mut tx, &mut activation, change, &Actor::Server).await?;
            }
            ActivationState::Collecting => {
                forget(&mut tx, &mut activation, WHY).await?;
                transition::apply(
                    app,
                    &mut tx,
                    &mut activation,
                    Change::Requeue,
                    &Actor::Server,
                )
                .await?;
            }
            ActivationState::Queued | ActivationState::Ended { .. } => {}
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
