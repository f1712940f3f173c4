//! The very first admin: a one-time code that the server prints at its own terminal.

use countersign_protocol::{
    Timestamp,
    audit::{Actor, AuditEvent},
    operator::{Bootstrap, CreatedInvitation, Role},
};
use jiff::SignedDuration;

use super::{People, PeopleError, invitation};
use crate::{random, store};

const LIFE: SignedDuration = SignedDuration::from_hours(24);

impl People {
    /// Makes a code, if there is no operator yet. Earlier codes stop working.
    ///
    /// # Errors
    /// [`PeopleError`].
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

    /// Turns the code into an invitation of the first admin, who is a custodian too if they like.
    ///
    /// # Errors
    /// [`PeopleError::Code`] and others.
    pub async fn bootstrap(&self, request: &Bootstrap) -> Result<CreatedInvitation, PeopleError> {
        let mut tx = self.store.write().await?;
        if !store::operators::list(tx.connection()).await?.is_empty() {
            return Err(PeopleError::Conflict(
                "this server is set up already: an admin has to invite you",
            ));
        }
        if !store::invitations::take_bootstrap_code(tx.connection(), &random::hash(&request.code))
            .await?
        {
            return Err(PeopleError::Code(
                "`countersign-server bootstrap-code` prints a new one",
            ));
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
