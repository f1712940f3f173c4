//! When sessions of the portal end. Their rows are tower-sessions' own, whose `save` makes one that is gone anew.

use sqlx::SqliteConnection;
use time::OffsetDateTime;

use super::StoreError;

/// Whether a session ends before this moment.
///
/// # Errors
/// [`StoreError`].
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

/// Has a session last until this moment. One that has ended by now is left alone, and one that is gone stays gone.
///
/// # Errors
/// [`StoreError`].
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

/// Deletes sessions that have ended by now.
///
/// # Errors
/// [`StoreError`].
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
