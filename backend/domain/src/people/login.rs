//! Log-in to the portal with a statement that the enrolled card signs.

use super::{LoginError, People, challenges::CHALLENGE_SECONDS};
use crate::store::{self, StoreError};
use countersign_protocol::{
    audit::{Actor, AuditEvent},
    dsse::{Envelope, EnvelopeError},
    operator::KeyStatus,
    session::{LoginChallenge, SessionView},
    statement::LoginStatement,
    task::Task,
};

impl People {
    /// Creates a challenge: a signed task for the helper with a nonce that works once. Stores nothing.
    pub fn challenge(&self) -> Result<LoginChallenge, LoginError> {
        let nonce = self.challenges.nonce()?;
        let task = Task::LogIn { nonce };
        Ok(LoginChallenge {
            task: self.identity.task(task, CHALLENGE_SECONDS)?,
        })
    }

    /// Checks the signed statement. Changes something only if an enrolled key has signed it.
    pub async fn log_in(&self, envelope: &Envelope) -> Result<SessionView, LoginError> {
        let rejected = |why: &str| LoginError::Rejected(why.to_owned());
        let invalid = |error: EnvelopeError| {
            LoginError::Rejected(format!("the log-in was rejected: {error}"))
        };
        let claimed: LoginStatement = envelope.peek().map_err(invalid)?;
        let expired_or_used =
            || rejected("the log-in challenge expired or was already used: log in again");
        let nonce = self.challenges.read(&claimed.nonce);
        let nonce = nonce.ok_or_else(expired_or_used)?;
        let mut connection = self.store.read().await?;
        let operator = store::operators::by_key(&mut connection, &claimed.key).await?;
        drop(connection);
        let operator = operator.ok_or_else(|| {
            rejected(
                "this card's key is not enrolled on this server: use another card, or ask an admin for an invitation",
            )
        })?;
        let statement: LoginStatement = envelope
            .verify(&operator.view.key.public_key)
            .map_err(invalid)?;
        if statement.origin != *self.origin || statement.server_key != self.identity.fingerprint() {
            return Err(rejected(
                "the log-in was signed for another server: open this server's portal and log in there",
            ));
        }
        match operator.view.status {
            KeyStatus::Confirmed { .. } => {}
            KeyStatus::AwaitingConfirmation => {
                return Err(rejected(
                    "your key is not confirmed yet: an admin has to compare its six words with you",
                ));
            }
            KeyStatus::Revoked { .. } => {
                return Err(rejected(
                    "your key was revoked: ask an admin if you still need access",
                ));
            }
        }
        if statement.nonce != claimed.nonce || !self.challenges.use_up(nonce) {
            return Err(expired_or_used());
        }
        // Only now, because a stranger could otherwise use up the log-ins of this key.
        let key = operator.view.key.fingerprint;
        self.log_ins.check(key).map_err(LoginError::TooOften)?;
        let person = operator.view.person.clone();
        let mut tx = self.store.write().await?;
        tx.audit(
            &Actor::Operator {
                person: person.clone(),
            },
            AuditEvent::LoggedIn { key },
        )
        .await?;
        tx.commit().await?;
        Ok(SessionView {
            person,
            roles: operator.view.roles,
            key: Some(key),
        })
    }

    /// Records a log-out, and has every caller authenticated again, so that the ended session stops working at once.
    pub async fn log_out(&self, actor: &Actor) -> Result<(), StoreError> {
        let mut tx = self.store.write().await?;
        tx.audit(actor, AuditEvent::LoggedOut).await?;
        tx.forget_callers();
        tx.commit().await
    }
}
