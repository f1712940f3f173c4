//! Ends the activations of requesters who have lost their access.

use countersign_protocol::{activation::EndReason, audit::Actor, operator::Role};
use sqlx::SqliteConnection;

use super::Coordinator;
use crate::{
    activation::ActivationError,
    store::{self, StoreError, operators::Operator, queue::Requested},
};

impl Coordinator {
    /// Ends every activation, open or not, whose requester's key, role or token no longer allows it.
    pub(super) async fn check_requesters(&mut self) -> Result<(), ActivationError> {
        let mut connection = self.store.read().await?;
        let mut ends = Vec::new();
        for requested in store::queue::requesters(&mut connection, self.hsm.id()).await? {
            if let Some(why) = lost_access(&mut connection, &requested).await?
                && !self.is_ending(&requested.id)
            {
                ends.push((requested.id, why));
            }
        }
        drop(connection);
        for (id, why) in ends {
            let activation = self.load(&id).await?;
            let reason = EndReason::AccessRevoked { why: why.into() };
            let ended = self.end(activation, reason, &Actor::Server).await;
            self.log(ended);
        }
        Ok(())
    }
}

/// Why the requester may no longer use the activation.
async fn lost_access(
    connection: &mut SqliteConnection,
    requested: &Requested,
) -> Result<Option<&'static str>, StoreError> {
    let person = store::operators::by_id(connection, &requested.person).await?;
    let Some(person) = person.filter(Operator::is_confirmed) else {
        return Ok(Some("the key of the requester was revoked"));
    };
    let role = if requested.generates_key {
        Role::Admin
    } else {
        Role::Requester
    };
    if !person.view.roles.contains(&role) {
        return Ok(Some("the requester no longer has the role for it"));
    }
    let Some(token) = &requested.token else {
        return Ok(None);
    };
    let token = store::tokens::by_id(connection, token).await?;
    let is_valid = token.is_some_and(|token| token.revoked_at.is_none());
    Ok((!is_valid).then_some("the API token that requested it was revoked"))
}
