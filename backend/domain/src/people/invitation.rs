//! Creating and revoking invitations.

use countersign_protocol::{
    Timestamp,
    audit::{Actor, AuditEvent},
    id::InvitationId,
    limits,
    operator::{CreatedInvitation, InvitationStatus, InvitationView, NewInvitation},
    text,
};
use jiff::SignedDuration;

use super::{People, PeopleError};
use crate::{
    events::Change,
    mandate::Mandate,
    random,
    store::{self, WriteTx, invitations::Invitation},
};

const LIFE: SignedDuration = SignedDuration::from_hours(7 * 24);

/// Checks a proposed invitation. Returns it with a trimmed name, and with each role once.
pub(crate) fn checked(new: NewInvitation) -> Result<NewInvitation, PeopleError> {
    let name = new.name.trim();
    text::check_name(name, limits::PERSON_NAME)
        .map_err(|why| PeopleError::Invalid(format!("the name {why}")))?;
    if let Some(mail) = &new.mail {
        text::check(mail, limits::MAIL)
            .map_err(|why| PeopleError::Invalid(format!("the mail address {why}")))?;
    }
    let mut roles = new.roles;
    roles.sort_unstable();
    roles.dedup();
    if roles.is_empty() {
        return Err(PeopleError::Invalid("choose at least one role".into()));
    }
    Ok(NewInvitation {
        name: name.to_owned(),
        mail: new.mail,
        roles,
    })
}

impl People {
    /// Creates an invitation in a transaction.
    pub async fn invite(
        &self,
        tx: &mut WriteTx,
        mandate: &Mandate,
        new: NewInvitation,
    ) -> Result<CreatedInvitation, PeopleError> {
        let created = create(tx, &self.origin, new).await?;
        let InvitationView {
            id, name, roles, ..
        } = created.invitation.clone();
        let event = AuditEvent::Invited {
            invitation: id,
            name,
            roles,
        };
        tx.audit(&mandate.actor(), event).await?;
        tx.changed(Change::People);
        Ok(created)
    }

    /// Revokes an invitation with which no key was enrolled.
    pub async fn revoke_invitation(
        &self,
        actor: &Actor,
        id: &InvitationId,
    ) -> Result<(), PeopleError> {
        let mut tx = self.store.write().await?;
        let invitation = store::invitations::by_id(tx.connection(), id)
            .await?
            .ok_or_else(|| PeopleError::NotFound(format!("invitation {id}")))?;
        if invitation.view.status == InvitationStatus::Accepted {
            return Err(PeopleError::Conflict(
                "the invitation was already used to enrol a key: revoke that key instead",
            ));
        }
        store::invitations::set_status(tx.connection(), id, InvitationStatus::Revoked).await?;
        tx.audit(
            actor,
            AuditEvent::InvitationRevoked {
                invitation: id.clone(),
            },
        )
        .await?;
        tx.changed(Change::People);
        Ok(tx.commit().await?)
    }
}

/// Creates an invitation in a transaction.
pub(super) async fn create(
    tx: &mut WriteTx,
    origin: &str,
    new: NewInvitation,
) -> Result<CreatedInvitation, PeopleError> {
    let NewInvitation { name, mail, roles } = checked(new)?;
    let code = random::random(26)?;
    let view = InvitationView {
        id: InvitationId::new(uuid::Uuid::now_v7().to_string()),
        name,
        mail,
        roles,
        status: InvitationStatus::Sent,
        expires_at: Timestamp::now() + LIFE,
    };
    let invitation = Invitation {
        view: view.clone(),
        nonce: random::random(26)?,
    };
    store::invitations::insert(tx.connection(), &invitation, &random::hash(&code)).await?;
    Ok(CreatedInvitation {
        invitation: view,
        link: format!("{origin}/join#{code}"),
    })
}
