//! The audit log.

use countersign_protocol::{
    Timestamp,
    audit::{Actor, AuditEntry, AuditEvent, AuditPage},
    dsse::canonical,
};
use sqlx::{Row, SqliteConnection};

use super::StoreError;

/// Appends an entry; returns its index. Only for [`super::WriteTx::audit`].
pub(super) async fn append(
    connection: &mut SqliteConnection,
    actor: &Actor,
    event: AuditEvent,
) -> Result<u64, StoreError> {
    let index = count(connection).await?;
    let entry = AuditEntry {
        index,
        at: Timestamp::now(),
        actor: actor.clone(),
        event,
    };
    sqlx::query("INSERT INTO audit (idx, entry) VALUES (?, ?)")
        .bind(signed(index)?)
        .bind(canonical(&entry))
        .execute(connection)
        .await?;
    Ok(index)
}

/// Number of entries.
///
/// # Errors
/// [`StoreError`].
pub async fn count(connection: &mut SqliteConnection) -> Result<u64, StoreError> {
    let last: Option<i64> = sqlx::query_scalar("SELECT MAX(idx) FROM audit")
        .fetch_one(connection)
        .await?;
    let count = last.map_or(0, |last| last + 1);
    u64::try_from(count).map_err(|error| StoreError::Unreadable(error.to_string()))
}

/// A page, newest first.
///
/// # Errors
/// [`StoreError`].
pub async fn page(
    connection: &mut SqliteConnection,
    before: Option<u64>,
    limit: u32,
) -> Result<AuditPage, StoreError> {
    let total = count(connection).await?;
    let rows = sqlx::query("SELECT entry FROM audit WHERE idx < ? ORDER BY idx DESC LIMIT ?")
        .bind(signed(before.unwrap_or(total))?)
        .bind(limit)
        .fetch_all(connection)
        .await?;
    let entries = rows
        .iter()
        .map(|row| {
            serde_json::from_slice(row.get::<&[u8], _>(0))
                .map_err(|error| StoreError::Unreadable(error.to_string()))
        })
        .collect::<Result<_, _>>()?;
    Ok(AuditPage { total, entries })
}

fn signed(number: u64) -> Result<i64, StoreError> {
    i64::try_from(number).map_err(|error| StoreError::Unreadable(error.to_string()))
}
