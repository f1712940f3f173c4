//! Log-in to the portal with a statement that the enrolled card signs.

use countersign_protocol::{
    Timestamp,
    audit::{Actor, AuditEvent},
    dsse::{Envelope, EnvelopeError},
    operator::KeyStatus,
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

/// Lifetime of a log-in challenge, in seconds: the person has to find their card and enter the PIN.
const CHALLENGE_SECONDS: i64 = 5 * 60;
/// Largest number of log-ins in progress. A log-in needs no authentication to begin and takes a row of the database, so a stranger
/// could fill the disk without this limit.
const MOST_CHALLENGES: u32 = 1000;

impl People {
    /// Creates a challenge: a signed task for the helper with a nonce that works once.
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

    /// Checks the signed statement. The nonce is used up even if the statement is rejected.
    pub async fn log_in(&self, envelope: &Envelope) -> Result<SessionView, LoginError> {
        let rejected = |why: &str| LoginError::Rejected(why.to_owned());
        let invalid = |error: EnvelopeError| {
            LoginError::Rejected(format!("the log-in was rejected: {error}"))
        };
        let claimed: LoginStatement = envelope.peek().map_err(invalid)?;
        let mut tx = self.store.write().await?;
        let fresh = store::invitations::take_nonce(tx.connection(), &claimed.nonce).await?;
        let operator = store::operators::by_key(tx.connection(), &claimed.key).await?;
        tx.commit().await?;
        if !fresh {
            return Err(rejected(
                "the log-in challenge expired or was already used: log in again",
            ));
        }
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

    /// Records a log-out, and has every caller authenticated again, so that the ended session stops working at once.
    pub async fn log_out(&self, actor: &Actor) -> Result<(), StoreError> {
        let mut tx = self.store.write().await?;
        tx.audit(actor, AuditEvent::LoggedOut).await?;
        tx.forget_callers();
        tx.commit().await
    }
}
