//! Log-in to the portal: a statement signed by the enrolled card.

use countersign_protocol::{
    Timestamp,
    audit::{Actor, AuditEvent},
    dsse::Envelope,
    session::{LoginChallenge, SessionView},
    statement::LoginStatement,
    task::Task,
};
use jiff::SignedDuration;

use super::{LoginError, People};
use crate::{
    random,
    store::{self, StoreError},
};

/// Time to find card and PIN, in seconds.
const CHALLENGE_SECONDS: i64 = 5 * 60;
/// Log-ins that may be under way at once: anybody can begin one, and each takes a row.
const MOST_CHALLENGES: u32 = 1000;

impl People {
    /// Gives the task for the helper.
    ///
    /// # Errors
    /// [`LoginError`].
    pub async fn challenge(&self) -> Result<LoginChallenge, LoginError> {
        let nonce = random::random(26)?;
        let mut tx = self.store.write().await?;
        if store::invitations::count_nonces(tx.connection()).await? >= MOST_CHALLENGES {
            return Err(LoginError::TooMany);
        }
        let expires_at = Timestamp::now() + SignedDuration::from_secs(CHALLENGE_SECONDS);
        store::invitations::insert_nonce(tx.connection(), &nonce, expires_at).await?;
        tx.commit().await?;
        Ok(LoginChallenge {
            task: self
                .identity
                .task(Task::LogIn { nonce }, CHALLENGE_SECONDS)?,
        })
    }

    /// Checks the statement. The nonce is used up whatever comes of it.
    ///
    /// # Errors
    /// [`LoginError::Rejected`] and others.
    pub async fn log_in(&self, envelope: &Envelope) -> Result<SessionView, LoginError> {
        let refused = |why: &str| LoginError::Rejected(why.to_owned());
        let claimed: LoginStatement = envelope
            .peek()
            .map_err(|error| LoginError::Rejected(error.to_string()))?;
        let mut tx = self.store.write().await?;
        let fresh = store::invitations::take_nonce(tx.connection(), &claimed.nonce).await?;
        let operator = store::operators::by_key(tx.connection(), &claimed.key).await?;
        tx.commit().await?;
        if !fresh {
            return Err(refused("it was used already, or took too long: try again"));
        }
        let operator = operator.ok_or_else(|| {
        refused("this card's key is not enrolled here: use another card, or ask an admin for an invitation")
    })?;
        let statement: LoginStatement = envelope
            .verify(&operator.view.key.public_key)
            .map_err(|error| LoginError::Rejected(error.to_string()))?;
        if statement.origin != *self.origin || statement.server_key != self.identity.fingerprint() {
            return Err(refused("it was made for another server"));
        }
        if !operator.is_confirmed() {
            return Err(refused(
                "your key is not confirmed yet, or revoked: an admin has to compare its fingerprint with you",
            ));
        }
        let person = operator.view.person.clone();
        let mut tx = self.store.write().await?;
        tx.audit(
            &Actor::Operator {
                person: person.clone(),
            },
            AuditEvent::LoggedIn {
                key: operator.view.key.fingerprint,
            },
        )
        .await?;
        tx.commit().await?;
        Ok(SessionView {
            person,
            roles: operator.view.roles,
            key: Some(operator.view.key.fingerprint),
        })
    }

    /// Ends a session: its audit entry, and every caller is looked up again.
    pub async fn log_out(&self, actor: &Actor) -> Result<(), StoreError> {
        let mut tx = self.store.write().await?;
        tx.audit(actor, AuditEvent::LoggedOut).await?;
        tx.forget_callers();
        tx.commit().await
    }
}
