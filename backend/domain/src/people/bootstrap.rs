//! The first admin, who uses a one-time code that the server prints on its terminal, or writes to a file if it has none.

use std::{io::Write, os::unix::fs::OpenOptionsExt, path::Path};

use countersign_protocol::{
    Timestamp,
    audit::{Actor, AuditEvent},
    operator::{Bootstrap, CreatedInvitation, NewInvitation, Role},
};
use jiff::SignedDuration;
use sqlx::SqliteConnection;

use super::{CodeError, People, PeopleError, invitation};
use crate::{random, store};

/// Lifetime of a code. The server makes a new one whenever it starts.
const LIFE: SignedDuration = SignedDuration::from_hours(1);

async fn must_have_nobody(connection: &mut SqliteConnection) -> Result<(), PeopleError> {
    if store::operators::list(connection).await?.is_empty() {
        return Ok(());
    }
    Err(PeopleError::Conflict(
        "this server already has an admin: ask an admin to invite you",
    ))
}

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

    /// Writes a code to the file that only the server's user can read, and returns the file. It is deleted when a code is used.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write_bootstrap_code(&self, code: &str) -> std::io::Result<&Path> {
        self.remove_code_file();
        let mut file = std::fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&self.code_file)?;
        writeln!(file, "{code}")?;
        Ok(&self.code_file)
    }

    fn remove_code_file(&self) {
        match std::fs::remove_file(&self.code_file) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                let file = self.code_file.display();
                tracing::warn!(%file, %error, "the file with a one-time code could not be deleted");
            }
            _ => {}
        }
    }

    /// Exchanges the code for an invitation of the first admin, who can also be a custodian and a requester.
    pub async fn bootstrap(&self, request: &Bootstrap) -> Result<CreatedInvitation, PeopleError> {
        let hash = random::hash(&request.code);
        // Strangers must not delay those who write, so the usual case needs no transaction.
        let mut connection = self.store.read().await?;
        must_have_nobody(&mut connection).await?;
        drop(connection);
        let mut tx = self.store.write().await?;
        must_have_nobody(tx.connection()).await?;
        let expires_at = store::invitations::take_bootstrap_code(tx.connection(), &hash)
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
        let first = NewInvitation {
            name: request.name.clone(),
            mail: request.mail.clone(),
            roles: vec![Role::Admin, Role::Custodian, Role::Requester],
        };
        let created = invitation::create(&mut tx, &self.origin, first).await?;
        tx.commit().await?;
        self.remove_code_file();
        Ok(created)
    }
}
