//! Ties the database to the file `instance.json` beside it, so that the server notices a database that was restored from a
//! backup.

use std::{
    fs::{self, OpenOptions},
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use countersign_protocol::{
    Timestamp,
    audit::{Actor, AuditEvent},
    operator::InvitationStatus,
};
use serde::{Deserialize, Serialize};
use sqlx::{Row, SqliteConnection};

use super::{StoreError, audit, time_text, to_json, unsigned};

const FILE: &str = "instance.json";

/// The content of the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Instance {
    /// A random id of the database.
    database: String,
    /// Grows with every change of people, tokens and invitations. A database with a smaller number is an old copy.
    epoch: u64,
}

/// The file beside the database.
#[derive(Clone, Debug)]
pub(super) struct InstanceFile(PathBuf);

impl InstanceFile {
    pub fn beside(database: &Path) -> Self {
        Self(database.with_file_name(FILE))
    }

    fn read(&self) -> Result<Option<Instance>, StoreError> {
        match fs::read(&self.0) {
            Ok(json) => serde_json::from_slice(&json)
                .map(Some)
                .map_err(|error| self.failed(&error)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.failed(&error)),
        }
    }

    /// Replaces the file so that a loss of power leaves either the old or the new content.
    fn write(&self, instance: &Instance) -> Result<(), StoreError> {
        let write = || {
            let new = self.0.with_extension("json.new");
            let mut file = OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(true)
                .mode(0o600)
                .open(&new)?;
            file.write_all(&serde_json::to_vec(instance)?)?;
            file.sync_all()?;
            fs::rename(&new, &self.0)?;
            match self.0.parent() {
                Some(folder) => fs::File::open(folder)?.sync_all(),
                None => Ok(()),
            }
        };
        write().map_err(|error: std::io::Error| self.failed(&error))
    }

    fn failed(&self, error: &dyn std::fmt::Display) -> StoreError {
        StoreError::Instance {
            path: self.0.display().to_string(),
            why: error.to_string(),
        }
    }

    /// Writes the epoch of a committed change.
    pub fn follow(&self, (database, epoch): (String, u64)) -> Result<(), StoreError> {
        self.write(&Instance { database, epoch })
    }

    /// Compares the database with the file, and ties them to each other. If the database is an older copy, revokes in it whatever
    /// may have been revoked or used since.
    pub async fn tie(&self, connection: &mut SqliteConnection) -> Result<(), StoreError> {
        let beside = self.read()?;
        let row = sqlx::query("SELECT database, epoch FROM instance")
            .fetch_optional(&mut *connection)
            .await?;
        let stored = match row {
            Some(row) => Some(Instance {
                database: row.get("database"),
                epoch: unsigned(row.get("epoch"))?,
            }),
            None => None,
        };
        let new = || Instance {
            database: uuid::Uuid::now_v7().to_string(),
            epoch: 1,
        };
        match (stored, beside) {
            // The first start, or the first start of a version that knows this file.
            (None, None) => {
                let instance = new();
                store(connection, &instance).await?;
                self.write(&instance)
            }
            (Some(stored), Some(beside))
                if stored.database == beside.database && stored.epoch >= beside.epoch =>
            {
                if stored == beside {
                    return Ok(());
                }
                self.write(&stored)
            }
            (stored, beside) => {
                let known = beside.as_ref().map_or(0, |beside| beside.epoch);
                let own = stored.unwrap_or_else(new);
                let instance = Instance {
                    epoch: own.epoch.max(known) + 1,
                    database: own.database,
                };
                revoke_all(connection).await?;
                store(connection, &instance).await?;
                tracing::warn!(
                    "the database was restored from a backup: all API tokens, open invitations, one-time codes and log-ins in it \
                     were revoked. Repeat every revocation of a person's key since the backup"
                );
                self.write(&instance)
            }
        }
    }
}

async fn store(connection: &mut SqliteConnection, instance: &Instance) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO instance (id, database, epoch) VALUES (1, ?, ?)
         ON CONFLICT (id) DO UPDATE SET epoch = excluded.epoch",
    )
    .bind(&instance.database)
    .bind(i64::try_from(instance.epoch).map_err(|error| StoreError::Unreadable(error.to_string()))?)
    .execute(connection)
    .await?;
    Ok(())
}

/// Raises the epoch in the current transaction. Returns the database's id and the new epoch.
pub(super) async fn advance(
    connection: &mut SqliteConnection,
) -> Result<Option<(String, u64)>, StoreError> {
    let row = sqlx::query("UPDATE instance SET epoch = epoch + 1 RETURNING database, epoch")
        .fetch_optional(connection)
        .await?;
    row.map(|row| Ok((row.get("database"), unsigned(row.get("epoch"))?)))
        .transpose()
}

/// Revokes everything that lets somebody in without a card, and the acts whose signatures may have been used since.
async fn revoke_all(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    sqlx::query("UPDATE tokens SET revoked_at = ? WHERE revoked_at IS NULL")
        .bind(time_text(Timestamp::now()))
        .execute(&mut *connection)
        .await?;
    sqlx::query("UPDATE invitations SET status = ? WHERE status IN (?, ?)")
        .bind(to_json(&InvitationStatus::Revoked)?)
        .bind(to_json(&InvitationStatus::Sent)?)
        .bind(to_json(&InvitationStatus::Opened)?)
        .execute(&mut *connection)
        .await?;
    for table in ["bootstrap_codes", "acts", "session_secrets", "sessions"] {
        sqlx::query(&format!("DELETE FROM {table}"))
            .execute(&mut *connection)
            .await?;
    }
    let event = (Actor::Server, AuditEvent::RestoredFromBackup);
    audit::append(connection, [event]).await?;
    Ok(())
}

/// The fingerprint of the identity key to which the database belongs, if it was ever noted.
pub async fn identity(connection: &mut SqliteConnection) -> Result<Option<String>, StoreError> {
    let identity: Option<Option<String>> = sqlx::query_scalar("SELECT identity FROM instance")
        .fetch_optional(connection)
        .await?;
    Ok(identity.flatten())
}

pub async fn set_identity(
    connection: &mut SqliteConnection,
    fingerprint: &str,
) -> Result<(), StoreError> {
    sqlx::query("UPDATE instance SET identity = ?")
        .bind(fingerprint)
        .execute(connection)
        .await?;
    Ok(())
}
