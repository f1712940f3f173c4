//! Enrolment: a person makes the key on their card known to the server, with the attestation that it lives on a genuine card.

use countersign_protocol::{
    Timestamp,
    audit::{Actor, AuditEvent},
    cvc::{AttestedKey, PkaFile, attestation},
    id::OperatorId,
    operator::{
        EnrolledKey, Enrolment, InvitationStatus, KeyStatus, OpenedInvitation, OperatorView, Person,
    },
    statement::EnrolmentStatement,
    task::Task,
};

use sqlx::SqliteConnection;

use super::{CodeError, People, PeopleError};
use crate::{
    events::Change,
    random,
    store::{self, WriteTx, invitations::Invitation, operators::Operator},
};

/// Lifetime of the helper's task, in seconds: the person has to find their card and enter its PIN.
const TASK_SECONDS: i64 = countersign_protocol::limits::TASK_SECONDS;

/// The invitation whose code has this hash, if a key can still be enrolled with it.
async fn usable_invitation(
    connection: &mut SqliteConnection,
    code_hash: &[u8],
) -> Result<Invitation, PeopleError> {
    let invitation = store::invitations::by_code(connection, code_hash)
        .await?
        .ok_or(CodeError::UnknownInvitation)?;
    let view = &invitation.view;
    match view.status {
        InvitationStatus::Sent | InvitationStatus::Opened => Ok(invitation),
        InvitationStatus::Accepted => Err(CodeError::UsedInvitation.into()),
        InvitationStatus::Expired => Err(CodeError::ExpiredInvitation(view.expires_at).into()),
        InvitationStatus::Revoked => Err(CodeError::RevokedInvitation.into()),
    }
}

/// The parts of an enrolment that can be verified without the database.
struct Verified {
    key: AttestedKey,
    /// The statement, or why its signature was rejected.
    statement: Option<Result<EnrolmentStatement, String>>,
}

impl People {
    /// Returns an invitation with the task for the helper, and marks it as opened.
    pub async fn open_invitation(&self, code: &str) -> Result<OpenedInvitation, PeopleError> {
        let hash = random::hash(code);
        self.check_code(&hash).await?;
        let mut tx = self.store.write().await?;
        let mut invitation = usable_invitation(tx.connection(), &hash).await?;
        if invitation.view.status == InvitationStatus::Sent {
            invitation.view.status = InvitationStatus::Opened;
            store::invitations::set_status(
                tx.connection(),
                &invitation.view.id,
                InvitationStatus::Opened,
            )
            .await?;
            tx.changed(Change::People);
            tx.commit().await?;
        }
        let task = Task::Enrol {
            invitation: invitation.view.id.clone(),
            person: invitation.view.name.clone(),
            roles: invitation.view.roles.clone(),
            nonce: invitation.nonce.clone(),
        };
        Ok(OpenedInvitation {
            task: self.identity.task(task, TASK_SECONDS)?,
            invitation: invitation.view,
        })
    }

    /// Checks attestation and statement, and enrols the key. A rejected enrolment stores only its audit entry.
    pub async fn enrol(&self, request: &Enrolment) -> Result<OperatorView, PeopleError> {
        let hash = random::hash(&request.code);
        self.check_code(&hash).await?;
        // Others need not wait for the database while signatures are verified.
        let verified = self.verify(request);
        let mut tx = self.store.write().await?;
        let invitation = usable_invitation(tx.connection(), &hash).await?;
        let actor = Actor::Invited {
            name: invitation.view.name.clone(),
        };
        let key = match self.check(&mut tx, &invitation, verified).await {
            Ok(key) => key,
            Err(error) => {
                // The code is valid, so its holder could otherwise fill the audit log.
                self.rejections
                    .check(invitation.view.id.clone())
                    .map_err(PeopleError::TooOften)?;
                let event = AuditEvent::EnrolmentRejected {
                    name: invitation.view.name.clone(),
                    why: error.to_string(),
                };
                tx.audit(&actor, event).await?;
                tx.commit().await?;
                return Err(error);
            }
        };
        // No admin exists who could confirm the first key. An admin confirms every later one.
        let first = store::operators::list(tx.connection()).await?.is_empty();
        let now = Timestamp::now();
        let operator = Operator {
            view: OperatorView {
                person: Person {
                    id: OperatorId::new(uuid::Uuid::now_v7().to_string()),
                    name: invitation.view.name.clone(),
                },
                mail: invitation.view.mail.clone(),
                roles: invitation.view.roles.clone(),
                key: EnrolledKey {
                    fingerprint: key.fingerprint(),
                    words: key.fingerprint().words().map(str::to_owned).to_vec(),
                    chr: key.chr().clone(),
                    public_key: key.public_key().clone(),
                    device: key.device().id().clone(),
                    anchor: key.device().anchor().to_owned(),
                },
                status: if first {
                    KeyStatus::Confirmed { by: None, at: now }
                } else {
                    KeyStatus::AwaitingConfirmation
                },
                enrolled_at: now,
            },
            pka: request.pka.0.clone(),
        };
        store::operators::insert(tx.connection(), &operator).await?;
        store::invitations::set_status(
            tx.connection(),
            &invitation.view.id,
            InvitationStatus::Accepted,
        )
        .await?;
        let view = operator.view;
        tx.audit(
            &actor,
            AuditEvent::KeyEnrolled {
                person: view.person.clone(),
                roles: view.roles.clone(),
                key: view.key.fingerprint,
                chr: view.key.chr.clone(),
                device: view.key.device.clone(),
                anchor: view.key.anchor.clone(),
            },
        )
        .await?;
        tx.changed(Change::People);
        tx.commit().await?;
        Ok(view)
    }

    /// Rejects a stranger's code before anything is written, so that strangers never delay those who write.
    async fn check_code(&self, code_hash: &[u8]) -> Result<(), PeopleError> {
        let mut connection = self.store.read().await?;
        usable_invitation(&mut connection, code_hash).await?;
        Ok(())
    }

    /// Verifies the attestation and, if there is one, the signature of the statement.
    fn verify(&self, request: &Enrolment) -> Result<Verified, PeopleError> {
        let file = PkaFile::parse(request.pka.as_bytes())?;
        let key = attestation::verify(&file, &self.anchors)?;
        key.check_custodian_policy()?;
        let statement = request.statement.as_ref().map(|envelope| {
            envelope
                .verify(key.public_key())
                .map_err(|error| error.to_string())
        });
        Ok(Verified { key, statement })
    }

    async fn check(
        &self,
        tx: &mut WriteTx,
        invitation: &Invitation,
        verified: Result<Verified, PeopleError>,
    ) -> Result<AttestedKey, PeopleError> {
        let Verified { key, statement } = verified?;
        if let Some(owner) = store::operators::by_key(tx.connection(), &key.fingerprint()).await? {
            return Err(PeopleError::Taken(format!(
                "{} already enrolled this key: generate a key on your own card",
                owner.view.person.name
            )));
        }
        if let Some(owner) = store::operators::by_device(tx.connection(), key.device().id()).await?
        {
            return Err(PeopleError::Taken(format!(
                "card {} belongs to {}: use your own card",
                key.device().id(),
                owner.view.person.name
            )));
        }
        // An HSM finds a key by its name, so it could not tell two keys with the same name apart.
        let all = store::operators::list(tx.connection()).await?;
        if let Some(owner) = all.iter().find(|other| other.view.key.chr == *key.chr()) {
            return Err(PeopleError::Taken(format!(
                "the key is named {}, as the key of {} is: generate a new key with another name on your card and enrol that one",
                key.chr(),
                owner.view.person.name
            )));
        }
        match statement {
            None if all.is_empty() => {
                Err(PeopleError::Statement(
                    "the first admin must enrol with the helper, because a file carries no signed statement".into(),
                ))
            }
            None => Ok(key),
            Some(statement) => {
                let statement = statement.map_err(PeopleError::Statement)?;
                let expected = EnrolmentStatement {
                    origin: self.origin.to_string(),
                    server_key: self.identity.fingerprint(),
                    invitation: invitation.view.id.clone(),
                    person: invitation.view.name.clone(),
                    nonce: invitation.nonce.clone(),
                    key: key.fingerprint(),
                    at: statement.at,
                };
                if statement == expected {
                    Ok(key)
                } else {
                    Err(PeopleError::Statement(
                        "it names another invitation, origin, server or key; open the invitation's link and enrol again".into(),
                    ))
                }
            }
        }
    }
}
