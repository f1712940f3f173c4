//! Confirming and revoking keys.

use countersign_protocol::{
    Timestamp,
    audit::{Actor, AuditEvent},
    cvc::Fingerprint,
    event::Event,
    id::OperatorId,
    operator::{KeyStatus, OperatorView, Person},
};

use super::PeopleError;
use crate::{app::App, store};

/// An admin has compared the fingerprint with the person.
///
/// # Errors
/// [`PeopleError`].
pub async fn confirm(
    app: &App,
    admin: &Person,
    actor: &Actor,
    id: &OperatorId,
    compared: &Fingerprint,
) -> Result<OperatorView, PeopleError> {
    let mut tx = app.store.write().await?;
    let operator = store::operators::by_id(tx.connection(), id)
        .await?
        .ok_or(PeopleError::NotFound("person"))?;
    let mut view = operator.view;
    if view.person.id == admin.id {
        return Err(PeopleError::Conflict(
            "another admin must confirm your key".into(),
        ));
    }
    if view.key.fingerprint != *compared {
        return Err(PeopleError::Conflict(
            "the fingerprint that was compared is not this key's: do not confirm it, talk to the person".into(),
        ));
    }
    if view.status != KeyStatus::AwaitingConfirmation {
        return Err(PeopleError::Conflict(
            "this key is not waiting for confirmation".into(),
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
    tx.announce(Event::People);
    tx.commit().await?;
    Ok(view)
}

/// Revokes a key: its sessions and tokens stop working at once. HSMs in which it is registered keep it.
///
/// # Errors
/// [`PeopleError`].
pub async fn revoke(
    app: &App,
    admin: &Person,
    actor: &Actor,
    id: &OperatorId,
) -> Result<OperatorView, PeopleError> {
    let mut tx = app.store.write().await?;
    let operator = store::operators::by_id(tx.connection(), id)
        .await?
        .ok_or(PeopleError::NotFound("person"))?;
    let mut view = operator.view;
    if view.person.id == admin.id {
        return Err(PeopleError::Conflict(
            "another admin must revoke your key".into(),
        ));
    }
    if matches!(view.status, KeyStatus::Revoked { .. }) {
        return Err(PeopleError::Conflict("this key is revoked already".into()));
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
    tx.announce(Event::People);
    tx.commit().await?;
    Ok(view)
}
