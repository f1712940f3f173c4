//! Confirming and revoking keys.

use countersign_protocol::{
    Timestamp,
    audit::{Actor, AuditEvent},
    id::OperatorId,
    operator::{ConfirmKey, KeyStatus, OperatorView, Person},
};
use sqlx::SqliteConnection;

use super::{People, PeopleError};
use crate::{
    events::Change,
    mandate::Mandate,
    store::{self, WriteTx},
};

/// The person whose key this admin may confirm. An admin cannot confirm their own key.
pub(crate) async fn to_confirm(
    connection: &mut SqliteConnection,
    admin: &Person,
    confirm: &ConfirmKey,
) -> Result<OperatorView, PeopleError> {
    let id = &confirm.person;
    let view = store::operators::by_id(connection, id)
        .await?
        .ok_or_else(|| PeopleError::NotFound(format!("person {id}")))?
        .view;
    if view.person.id == admin.id {
        return Err(PeopleError::Conflict(
            "you cannot confirm your own key: ask another admin",
        ));
    }
    if view.key.fingerprint != confirm.fingerprint {
        return Err(PeopleError::Conflict(
            "the compared fingerprint belongs to another key: do not confirm this key, and talk to the person",
        ));
    }
    if view.status != KeyStatus::AwaitingConfirmation {
        return Err(PeopleError::Conflict(
            "this key was already confirmed or revoked",
        ));
    }
    Ok(view)
}

impl People {
    /// Confirms a key after an admin compared its fingerprint with the person, in a transaction.
    pub async fn confirm_key(
        &self,
        tx: &mut WriteTx,
        mandate: &Mandate,
        confirm: &ConfirmKey,
    ) -> Result<OperatorView, PeopleError> {
        let admin = mandate.person();
        let mut view = to_confirm(tx.connection(), admin, confirm).await?;
        view.status = KeyStatus::Confirmed {
            by: Some(admin.clone()),
            at: Timestamp::now(),
        };
        store::operators::set_status(tx.connection(), &view.person.id, &view.status).await?;
        let event = AuditEvent::KeyConfirmed {
            person: view.person.clone(),
            key: view.key.fingerprint,
        };
        tx.audit(&mandate.actor(), event).await?;
        tx.changed(Change::People);
        Ok(view)
    }

    /// Revokes a key. Its sessions end and its tokens stop working at once, but it stays registered on HSMs. An admin cannot revoke their
    /// own key.
    pub async fn revoke_key(
        &self,
        admin: &Person,
        actor: &Actor,
        id: &OperatorId,
    ) -> Result<OperatorView, PeopleError> {
        let mut tx = self.store.write().await?;
        let operator = store::operators::by_id(tx.connection(), id)
            .await?
            .ok_or_else(|| PeopleError::NotFound(format!("person {id}")))?;
        let mut view = operator.view;
        if view.person.id == admin.id {
            return Err(PeopleError::Conflict(
                "you cannot revoke your own key: ask another admin",
            ));
        }
        if matches!(view.status, KeyStatus::Revoked { .. }) {
            return Err(PeopleError::Conflict("this key was already revoked"));
        }
        view.status = KeyStatus::Revoked {
            by: admin.clone(),
            at: Timestamp::now(),
        };
        store::operators::set_status(tx.connection(), id, &view.status).await?;
        store::sessions::delete_of(tx.connection(), id, None).await?;
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
