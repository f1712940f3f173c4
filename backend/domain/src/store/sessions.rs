//! Sessions of the portal and the hashes of their secrets.

use countersign_protocol::{
    Timestamp,
    digest::Sha256Digest,
    id::{OperatorId, SessionId},
    operator::Person,
};
use sqlx::{Row, SqliteConnection, sqlite::SqliteRow};

use super::StoreError;

/// A session.
#[derive(Clone, Debug)]
pub struct StoredSession {
    pub id: SessionId,
    pub person: OperatorId,
    pub began_at: Timestamp,
    pub used_at: Timestamp,
    pub address: String,
    pub browser: String,
}

/// A session with the secret by which it was found.
#[derive(Clone, Debug)]
pub struct BySecret {
    pub session: StoredSession,
    /// Grows with each secret that is made.
    pub number: i64,
    pub made_at: Timestamp,
    /// When a newer secret was first used.
    pub replaced_at: Option<Timestamp>,
    /// When the newest secret of the session was made.
    pub newest_at: Timestamp,
    /// Whether an older secret has not been replaced yet.
    pub replaces: bool,
}

/// A session that was deleted.
#[derive(Clone, Debug)]
pub struct Deleted {
    pub id: SessionId,
    pub person: Person,
}

fn time(row: &SqliteRow, column: &str) -> Result<Timestamp, StoreError> {
    Timestamp::from_second(row.get(column))
        .map_err(|error| StoreError::Unreadable(error.to_string()))
}

fn read(row: &SqliteRow) -> Result<StoredSession, StoreError> {
    Ok(StoredSession {
        id: SessionId::new(row.get::<String, _>("id")),
        person: OperatorId::new(row.get::<String, _>("person")),
        began_at: time(row, "began_at")?,
        used_at: time(row, "used_at")?,
        address: row.get("address"),
        browser: row.get("browser"),
    })
}

pub async fn insert(
    connection: &mut SqliteConnection,
    session: &StoredSession,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO sessions (id, person, began_at, used_at, address, browser) VALUES (?, ?, ?, ?, ?, ?)",
    )
    .bind(session.id.as_str())
    .bind(session.person.as_str())
    .bind(session.began_at.as_second())
    .bind(session.used_at.as_second())
    .bind(&session.address)
    .bind(&session.browser)
    .execute(connection)
    .await?;
    Ok(())
}

/// Adds a secret to a session. Returns whether the session exists and got no other secret after `unless_after`.
pub async fn add_secret(
    connection: &mut SqliteConnection,
    id: &SessionId,
    hash: &Sha256Digest,
    now: Timestamp,
    unless_after: Timestamp,
) -> Result<bool, StoreError> {
    let done = sqlx::query(
        "INSERT INTO session_secrets (session, hash, made_at)
         SELECT id, ?, ? FROM sessions WHERE id = ? AND NOT EXISTS
             (SELECT 1 FROM session_secrets WHERE session = sessions.id AND made_at > ?)",
    )
    .bind(&hash.as_bytes()[..])
    .bind(now.as_second())
    .bind(id.as_str())
    .bind(unless_after.as_second())
    .execute(connection)
    .await?;
    Ok(done.rows_affected() == 1)
}

pub async fn by_secret(
    connection: &mut SqliteConnection,
    hash: &Sha256Digest,
) -> Result<Option<BySecret>, StoreError> {
    let row = sqlx::query(
        "SELECT sessions.*, own.number, own.made_at, own.replaced_at,
             (SELECT max(made_at) FROM session_secrets WHERE session = sessions.id) AS newest_at,
             EXISTS (SELECT 1 FROM session_secrets AS older WHERE older.session = sessions.id
                 AND older.number < own.number AND older.replaced_at IS NULL) AS replaces
         FROM session_secrets AS own JOIN sessions ON sessions.id = own.session WHERE own.hash = ?",
    )
    .bind(&hash.as_bytes()[..])
    .fetch_optional(connection)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let replaced_at = row
        .get::<Option<i64>, _>("replaced_at")
        .map(Timestamp::from_second)
        .transpose()
        .map_err(|error| StoreError::Unreadable(error.to_string()))?;
    Ok(Some(BySecret {
        session: read(&row)?,
        number: row.get("number"),
        made_at: time(&row, "made_at")?,
        replaced_at,
        newest_at: time(&row, "newest_at")?,
        replaces: row.get("replaces"),
    }))
}

pub async fn by_id(
    connection: &mut SqliteConnection,
    id: &SessionId,
) -> Result<Option<StoredSession>, StoreError> {
    let row = sqlx::query("SELECT * FROM sessions WHERE id = ?")
        .bind(id.as_str())
        .fetch_optional(connection)
        .await?;
    row.as_ref().map(read).transpose()
}

/// The sessions of a person, the last used one first.
pub async fn of_person(
    connection: &mut SqliteConnection,
    person: &OperatorId,
) -> Result<Vec<StoredSession>, StoreError> {
    sqlx::query("SELECT * FROM sessions WHERE person = ? ORDER BY used_at DESC, began_at DESC, id")
        .bind(person.as_str())
        .fetch_all(connection)
        .await?
        .iter()
        .map(read)
        .collect()
}

/// Stores when and from where a session was last used, and that this secret replaces all older ones. A deleted session stays deleted.
pub async fn used(
    connection: &mut SqliteConnection,
    id: &SessionId,
    number: i64,
    now: Timestamp,
    address: &str,
) -> Result<(), StoreError> {
    sqlx::query("UPDATE sessions SET used_at = max(used_at, ?), address = ? WHERE id = ?")
        .bind(now.as_second())
        .bind(address)
        .bind(id.as_str())
        .execute(&mut *connection)
        .await?;
    sqlx::query(
        "UPDATE session_secrets SET replaced_at = ? WHERE session = ? AND number < ? AND replaced_at IS NULL",
    )
    .bind(now.as_second())
    .bind(id.as_str())
    .bind(number)
    .execute(connection)
    .await?;
    Ok(())
}

async fn name_and_delete(
    connection: &mut SqliteConnection,
    rows: Vec<SqliteRow>,
) -> Result<Vec<Deleted>, StoreError> {
    let mut deleted = Vec::new();
    for row in rows {
        let session = Deleted {
            id: SessionId::new(row.get::<String, _>("id")),
            person: Person {
                id: OperatorId::new(row.get::<String, _>("person")),
                name: row.get("name"),
            },
        };
        sqlx::query("DELETE FROM sessions WHERE id = ?")
            .bind(session.id.as_str())
            .execute(&mut *connection)
            .await?;
        deleted.push(session);
    }
    Ok(deleted)
}

const SELECT_FOR_DELETION: &str =
    "SELECT sessions.id, sessions.person, operators.name FROM sessions
     JOIN operators ON operators.id = sessions.person";

/// Deletes one session.
pub async fn delete(
    connection: &mut SqliteConnection,
    id: &SessionId,
) -> Result<Vec<Deleted>, StoreError> {
    let rows = sqlx::query(&format!("{SELECT_FOR_DELETION} WHERE sessions.id = ?"))
        .bind(id.as_str())
        .fetch_all(&mut *connection)
        .await?;
    name_and_delete(connection, rows).await
}

/// Deletes the sessions of a person except this one.
pub async fn delete_of(
    connection: &mut SqliteConnection,
    person: &OperatorId,
    except: Option<&SessionId>,
) -> Result<Vec<Deleted>, StoreError> {
    let rows = sqlx::query(&format!(
        "{SELECT_FOR_DELETION} WHERE sessions.person = ? AND sessions.id IS NOT ?"
    ))
    .bind(person.as_str())
    .bind(except.map(SessionId::as_str))
    .fetch_all(&mut *connection)
    .await?;
    name_and_delete(connection, rows).await
}

/// Deletes the sessions that began or were last used at these times or earlier.
pub async fn delete_ended(
    connection: &mut SqliteConnection,
    began_at: Timestamp,
    used_at: Timestamp,
) -> Result<Vec<Deleted>, StoreError> {
    let rows = sqlx::query(&format!(
        "{SELECT_FOR_DELETION} WHERE sessions.began_at <= ? OR sessions.used_at <= ?"
    ))
    .bind(began_at.as_second())
    .bind(used_at.as_second())
    .fetch_all(&mut *connection)
    .await?;
    name_and_delete(connection, rows).await
}
