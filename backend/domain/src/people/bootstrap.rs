//! The first admin, who uses a one-time code that the server prints on its terminal.

use countersign_protocol::{
    Timestamp,
    audit::{Actor, AuditEvent},
    operator::{Bootstrap, CreatedInvitation, Role},
};
use jiff::SignedDuration;

use super::{CodeError, People, PeopleError, invitation};
use crate::{random, store};

const LIFE: SignedDuration = SignedDuration::from_hours(24);

impl People {
    /// Creates a code, unless an operator exists. It replaces an earlier code.
    pub async fn new_bootstrap_code(&self) -> Result<Option<(String, Timestamp)>, PeopleError> {
        let mut tx = self.store.write().await?;
        if !store::operators::list(tx.connection()).await?.is_empty() {
            return Ok(None);
        }
        let code = random::random_grouped(16)?;
        let expires_at = Timestamp::now() + LIFE;
        store::invitations::set_bootstrap_code(tx.connection(), &random::hash(&code), expires_at)
            .await?;
        tx.commit().await?;
        Ok(Some((code, expires_at)))
    }

    /// Exchanges the code for an invitation of the first admin, who can also be a custodian and a requester.
    pub async fn bootstrap(&self, request: &Bootstrap) -> Result<CreatedInvitation, PeopleError> {
        let mut tx = self.store.write().await?;
        if !store::operators::list(tx.connection()).await?.is_empty() {
            return Err(PeopleError::Conflict(
                "this server already has an admin: ask an admin to invite you",
            ));
        }
        let expires_at =
            store::invitations::take_bootstrap_code(tx.connection(), &random::hash(&request.code))
                .await?
                .ok_or(CodeError::UnknownBootstrap)?;
        if expires_at <= Timestamp::now() {
            return Err(CodeError::ExpiredBootstrap(expires_at).into());
        }
        let actor = Actor::Invited {
            name: request.name.clone(),
        };
        tx.audit(
            &actor,
            AuditEvent::Bootstrapped {
                name: request.name.clone(),
            },
        )
        .await?;
        let roles = vec![Role::Admin, Role::Custodian, Role::Requester];
        let created = invitation::create(
            &mut tx,
            &self.origin,
            &request.name,
            request.mail.clone(),
            roles,
        )
        .await?;
        tx.commit().await?;
        Ok(created)
    }
}
