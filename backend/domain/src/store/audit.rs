//! The audit log. Triggers of the database reject changed and deleted entries.

use countersign_protocol::{
    Timestamp,
    audit::{Actor, AuditEntry, AuditEvent, AuditPage},
    dsse::canonical,
};
use sqlx::{QueryBuilder, Row, SqliteConnection};

use super::{StoreError, unsigned};

/// Appends entries in one statement, and returns the new number of entries. Only [`super::WriteTx`] may call this, so that an entry
/// and its change are stored together.
pub(super) async fn append(
    connection: &mut SqliteConnection,
    events: impl IntoIterator<Item = (Actor, AuditEvent)>,
) -> Result<u64, StoreError> {
    let mut total = count(connection).await?;
    let mut rows = Vec::new();
    for (actor, event) in events {
        let entry = AuditEntry {
            index: total,
            at: Timestamp::now(),
            actor,
            event,
        };
        rows.push((signed(total)?, canonical(&entry)));
        total += 1;
    }
    if !rows.is_empty() {
        QueryBuilder::new("INSERT INTO audit (idx, entry) ")
            .push_values(rows, |mut row, (index, entry)| {
                row.push_bind(index).push_bind(entry);
            })
            .build()
            .execute(connection)
            .await?;
    }
    Ok(total)
}

pub async fn count(connection: &mut SqliteConnection) -> Result<u64, StoreError> {
    let last: Option<i64> = sqlx::query_scalar("SELECT MAX(idx) FROM audit")
        .fetch_one(connection)
        .await?;
    let count = last.map_or(0, |last| last + 1);
    u64::try_from(count).map_err(|error| StoreError::Unreadable(error.to_string()))
}

/// Up to `limit` entries before the entry `before`, or the newest ones without it, newest first.
pub async fn page(
    connection: &mut SqliteConnection,
    before: Option<u64>,
    limit: u32,
) -> Result<AuditPage, StoreError> {
    let total = count(connection).await?;
    let before = before.map_or(total, |before| before.min(total));
    let rows = sqlx::query("SELECT idx, entry FROM audit WHERE idx < ? ORDER BY idx DESC LIMIT ?")
        .bind(signed(before)?)
        .bind(limit)
        .fetch_all(connection)
        .await?;
    let entries = rows
        .iter()
        .map(|row| {
            let entry = row.get::<&[u8], _>("entry");
            match serde_json::from_slice(entry) {
                Ok(entry) => Ok(entry),
                Err(error) => unreadable(row.get("idx"), entry, &error),
            }
        })
        .collect::<Result<_, _>>()?;
    Ok(AuditPage { total, entries })
}

fn signed(number: u64) -> Result<i64, StoreError> {
    i64::try_from(number).map_err(|error| StoreError::Unreadable(error.to_string()))
}

/// Stands for an entry that cannot be read, so that the others of its page can be.
fn unreadable(
    index: i64,
    entry: &[u8],
    error: &serde_json::Error,
) -> Result<AuditEntry, StoreError> {
    #[derive(serde::Deserialize)]
    struct Dated {
        at: Timestamp,
    }
    let at = serde_json::from_slice(entry).map_or(Timestamp::UNIX_EPOCH, |Dated { at }| at);
    Ok(AuditEntry {
        index: unsigned(index)?,
        at,
        actor: Actor::Server,
        event: AuditEvent::Unreadable {
            why: error.to_string(),
        },
    })
}
