//! The database's file: whether it is sound when the server starts, and whether it is still the same one later.

use std::{
    fs::Metadata,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use sqlx::{Row, SqliteConnection};

use super::StoreError;

/// The file that was opened. Another program can delete or replace it, but SQLite would go on with the file that it has open.
#[derive(Clone, Debug)]
pub(super) struct DatabaseFile {
    path: PathBuf,
    /// Device and inode.
    opened: (u64, u64),
}

fn number(metadata: &Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}

impl DatabaseFile {
    pub fn opened(path: &Path) -> Result<Self, StoreError> {
        let metadata = std::fs::metadata(path).map_err(sqlx::Error::Io)?;
        Ok(Self {
            path: path.to_owned(),
            opened: number(&metadata),
        })
    }

    /// Checks that the path still leads to the file that was opened.
    ///
    /// # Errors
    /// The file was deleted or replaced, so that nobody would find what is written.
    pub fn check(&self) -> Result<(), StoreError> {
        match std::fs::metadata(&self.path) {
            Ok(metadata) if number(&metadata) == self.opened => Ok(()),
            _ => Err(StoreError::Replaced(self.path.display().to_string())),
        }
    }

    /// Checks the database's structure and references. Stops at the first error.
    pub async fn check_contents(
        &self,
        connection: &mut SqliteConnection,
    ) -> Result<(), StoreError> {
        let damaged = |what: String| StoreError::Damaged {
            path: self.path.display().to_string(),
            what,
        };
        let found: String = sqlx::query_scalar("PRAGMA quick_check(1)")
            .fetch_one(&mut *connection)
            .await
            .map_err(|error| damaged(error.to_string()))?;
        if found != "ok" {
            return Err(damaged(found));
        }
        let broken = sqlx::query("SELECT \"table\", parent FROM pragma_foreign_key_check LIMIT 1")
            .fetch_optional(connection)
            .await
            .map_err(|error| damaged(error.to_string()))?;
        match broken {
            None => Ok(()),
            Some(row) => Err(damaged(format!(
                "a row of the table {} refers to a row of {} that does not exist",
                row.get::<String, _>(0),
                row.get::<String, _>(1)
            ))),
        }
    }
}
