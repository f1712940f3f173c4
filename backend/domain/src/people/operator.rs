//! Confirming and revoking keys.

use countersign_protocol::{
    Timestamp,
    audit::{Actor, AuditEvent},
    cvc::Fingerprint,
    id::OperatorId,
    operator::{KeyStatus, OperatorView, Person},
};

use super::{People, PeopleError};
use crate::{events::Change, store};

impl People {
    /// An admin has compared the fingerprint with the person.
    ///
    /// # Errors
    /// [`PeopleError`].
    pub async fn confirm_key(
        &self,
        admin: &Person,
        actor: &Actor,
        id: &OperatorId,
        compared: &Fingerprint,
    ) -> Result<OperatorView, PeopleError> {
        let mut tx = self.store.write().await?;
        let operator = store::operators::by_id(tx.connection(), id)
            .await?
            .ok_or(PeopleError::NotFound("person"))?;
        let mut view = operator.view;
        if view.person.id == admin.id {
            return Err(PeopleError::Conflict("another admin must confirm your key"));
        }
        if view.key.fingerprint != *compared {
            return Err(PeopleError::Conflict(
                "the fingerprint that was compared is not this key's: do not confirm it, talk to the person",
            ));
        }
        if view.status != KeyStatus::AwaitingConfirmation {
            return Err(PeopleError::Conflict(
                "this key is not waiting for confirmation",
            ));
        }
        view.status = KeyStatus::Confirmed {
            by: Some(admin.clone()),
            at: Timestamp::now(),
        };
        store::operators::set_status(tx.connection(), id, &view.status).await?;
        tx.audit(
            actor,
            AuditEvent::KeyConfirmed {
                person: view.person.clone(),
                key: view.key.fingerprint,
            },
        )
        .await?;
        tx.changed(Change::People);
        tx.commit().await?;
        Ok(view)
    }

    /// Revokes a key: its sessions and tokens stop working at once. HSMs in which it is registered keep it.
    ///
    /// # Errors
    /// [`PeopleError`].
    pub async fn revoke_key(
        &self,
        admin: &Person,
        actor: &Actor,
        id: &OperatorId,
    ) -> Result<OperatorView, PeopleError> {
        let mut tx = self.store.write().await?;
        let operator = store::operators::by_id(tx.connection(), id)
            .await?
            .ok_or(PeopleError::NotFound("person"))?;
        let mut view = operator.view;
        if view.person.id == admin.id {
            return Err(PeopleError::Conflict("another admin must revoke your key"));
        }
        if matches!(view.status, KeyStatus::Revoked { .. }) {
            return Err(PeopleError::Conflict("this key is revoked already"));
        }
        view.status = KeyStatus::Revoked {
            by: admin.clone(),
            at: Timestamp::now(),
        };
        store::operators::set_status(tx.connection(), id, &view.status).await?;
        tx.audit(
            actor,
            AuditEvent::KeyRevoked {
                person: view.person.clone(),
                key: view.key.fingerprint,
            },
        )
        .await?;
        tx.changed(Change::People);
        tx.commit().await?;
        Ok(view)
    }
}
