//! Expiry of portal sessions. The rows belong to tower-sessions, whose `save` is not used to extend a session because it would
//! re-create a deleted one.

use sqlx::SqliteConnection;
use time::OffsetDateTime;

use super::StoreError;

/// Whether a session exists and expires before `moment`.
pub async fn ends_before(
    connection: &mut SqliteConnection,
    id: &str,
    moment: OffsetDateTime,
) -> Result<bool, StoreError> {
    let row = sqlx::query("SELECT 1 FROM tower_sessions WHERE id = ? AND expiry_date < ?")
        .bind(id)
        .bind(moment)
        .fetch_optional(connection)
        .await?;
    Ok(row.is_some())
}

/// Extends a session until this time, unless it has expired or was deleted.
pub async fn extend(
    connection: &mut SqliteConnection,
    id: &str,
    until: OffsetDateTime,
) -> Result<(), StoreError> {
    sqlx::query("UPDATE tower_sessions SET expiry_date = ? WHERE id = ? AND expiry_date > ?")
        .bind(until)
        .bind(id)
        .bind(OffsetDateTime::now_utc())
        .execute(connection)
        .await?;
    Ok(())
}

pub async fn delete_expired(
    connection: &mut SqliteConnection,
    now: OffsetDateTime,
) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM tower_sessions WHERE expiry_date <= ?")
        .bind(now)
        .execute(connection)
        .await?;
    Ok(())
}
