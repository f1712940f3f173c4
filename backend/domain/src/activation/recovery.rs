//! Handles unfinished activations when the server starts.

use countersign_protocol::{
    activation::{ActivationState, EndReason},
    audit::Actor,
    id::HsmId,
};

use super::{
    ActivationError,
    forget::forget,
    transition::{self, StateChange},
};
use crate::store::{self, Store};

const RESTARTED: &str = "the server was restarted";
const REMOVED: &str = "it is no longer in the server's configuration";

/// Ends every activation that was open, because leases never survive a restart. Activations that waited for approvals are
/// queued again and need all approvals again.
pub async fn recover_after_restart(
    store: &Store,
    is_here: impl Fn(&HsmId) -> bool,
) -> Result<(), ActivationError> {
    let mut tx = store.write().await?;
    let active = store::activations::newest(
        tx.connection(),
        store::activations::Which::Active,
        None,
        usize::MAX,
        None,
    )
    .await?;
    for id in active {
        let members = store::activations::members(tx.connection(), &id).await?;
        // The signatures of a pool are counted together, and that count is lost.
        let was_open = members.iter().any(|member| member.was_open);
        for mut member in members {
            let change = match member.state {
                ActivationState::Ended { .. } => continue,
                _ if was_open => StateChange::End(EndReason::ServerRestarted),
                _ if !is_here(&member.terms.hsm.id) => StateChange::End(EndReason::HsmRemoved {
                    why: REMOVED.to_owned(),
                }),
                ActivationState::AwaitingApprovals => {
                    forget(&mut tx, &mut member, RESTARTED).await?;
                    StateChange::Requeue
                }
                ActivationState::Queued | ActivationState::Open { .. } => continue,
            };
            transition::apply(&mut tx, &mut member, change, &Actor::Server).await?;
        }
    }
    Ok(tx.commit().await?)
}
