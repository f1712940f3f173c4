//! Acts that end without being carried out.

use countersign_protocol::{
    act::ActState,
    audit::{Actor, AuditEvent, DroppedAct},
    id::ActId,
    operator::Role,
};

use super::{ActError, Acts, Signer, load, signers};
use crate::{
    events::Change,
    store::{self, StoreError, WriteTx, acts::StoredAct},
};

impl Acts {
    /// Withdraws an act, as its proposer or as an admin.
    ///
    /// # Errors
    /// The act has ended or is being carried out, or the person is neither.
    pub async fn withdraw(&self, signer: &Signer, id: &ActId) -> Result<(), ActError> {
        let mut tx = self.store.write().await?;
        let act = load(tx.connection(), id).await?;
        let operator = signers::confirmed(tx.connection(), signer).await?;
        if act.terms().proposer.id != signer.person.id {
            signers::may(&operator, Role::Admin)?;
        }
        match act.view.state {
            ActState::AwaitingSignatures => {}
            ActState::CarryingOut => return Err(ActError::CarryingOut),
            _ => return Err(ActError::Ended("has ended already")),
        }
        let by = operator.view.person;
        let actor = Actor::Operator { person: by.clone() };
        let state = ActState::Withdrawn { by };
        drop_act(&mut tx, &act, &actor, state, DroppedAct::Withdrawn).await?;
        Ok(tx.commit().await?)
    }

    /// Marks the acts that have expired.
    pub(super) async fn end_expired(&self, tx: &mut WriteTx) -> Result<(), StoreError> {
        for act in store::acts::unended(tx.connection()).await? {
            if act.view.state == ActState::Expired {
                let expired = (ActState::Expired, DroppedAct::Expired);
                drop_act(tx, &act, &Actor::Server, expired.0, expired.1).await?;
            }
        }
        Ok(())
    }

    /// Ends the acts that an earlier run of the server was carrying out, because nobody knows whether the HSM has done it.
    pub async fn recover(&self) -> Result<(), StoreError> {
        let mut tx = self.store.write().await?;
        for act in store::acts::unended(tx.connection()).await? {
            if act.view.state == ActState::CarryingOut {
                let interrupted = (ActState::Interrupted, DroppedAct::Interrupted);
                drop_act(&mut tx, &act, &Actor::Server, interrupted.0, interrupted.1).await?;
            }
        }
        self.end_expired(&mut tx).await?;
        tx.commit().await
    }
}

async fn drop_act(
    tx: &mut WriteTx,
    act: &StoredAct,
    actor: &Actor,
    state: ActState,
    why: DroppedAct,
) -> Result<(), StoreError> {
    let id = &act.terms().id;
    store::acts::set_state(tx.connection(), id, &state, act.view.notice.as_deref()).await?;
    let event = AuditEvent::ActDropped {
        act: id.clone(),
        why,
    };
    tx.audit(actor, event).await?;
    tx.changed(Change::Acts);
    Ok(())
}
