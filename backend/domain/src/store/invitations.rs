//! Bootstrap codes, invitations, log-in nonces.

use countersign_protocol::{
    Timestamp,
    id::InvitationId,
    operator::{InvitationStatus, InvitationView},
};
use sqlx::{Row, SqliteConnection, sqlite::SqliteRow};

use super::{StoreError, from_json, from_text, moment, to_json};

/// An invitation with what only the server knows.
#[derive(Clone, Debug)]
pub struct Invitation {
    /// As admins see it.
    pub view: InvitationView,
    /// To be signed along at enrolment.
    pub nonce: String,
}

/// Stores a bootstrap code; earlier ones stop working.
///
/// # Errors
/// [`StoreError`].
pub async fn set_bootstrap_code(
    connection: &mut SqliteConnection,
    hash: &[u8],
    expires_at: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM bootstrap_codes")
        .execute(&mut *connection)
        .await?;
    sqlx::query("INSERT INTO bootstrap_codes (hash, expires_at) VALUES (?, ?)")
        .bind(hash)
        .bind(moment(expires_at))
        .execute(connection)
        .await?;
    Ok(())
}

/// Uses a bootstrap code up; tells whether it was good.
///
/// # Errors
/// [`StoreError`].
pub async fn take_bootstrap_code(
    connection: &mut SqliteConnection,
    hash: &[u8],
) -> Result<bool, StoreError> {
    let deleted = sqlx::query("DELETE FROM bootstrap_codes WHERE hash = ? AND expires_at > ?")
        .bind(hash)
        .bind(moment(Timestamp::now()))
        .execute(connection)
        .await?;
    Ok(deleted.rows_affected() == 1)
}

/// Stores a new invitation.
///
/// # Errors
/// [`StoreError`].
pub async fn insert(
    connection: &mut SqliteConnection,
    invitation: &Invitation,
    code_hash: &[u8],
) -> Result<(), StoreError> {
    let view = &invitation.view;
    sqlx::query(
        "INSERT INTO invitations (id, code_hash, name, mail, roles, status, nonce, expires_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(view.id.as_str())
    .bind(code_hash)
    .bind(&view.name)
    .bind(&view.mail)
    .bind(to_json(&view.roles)?)
    .bind(to_json(&view.status)?)
    .bind(&invitation.nonce)
    .bind(moment(view.expires_at))
    .execute(connection)
    .await?;
    Ok(())
}

fn read(row: &SqliteRow) -> Result<Invitation, StoreError> {
    let expires_at: Timestamp = from_text(row.get("expires_at"))?;
    let mut status: InvitationStatus = from_json(row.get("status"))?;
    let waiting = matches!(status, InvitationStatus::Sent | InvitationStatus::Opened);
    if waiting && expires_at < Timestamp::now() {
        status = InvitationStatus::Expired;
    }
    Ok(Invitation {
        view: InvitationView {
            id: InvitationId::new(row.get::<String, _>("id")),
            name: row.get("name"),
            mail: row.get("mail"),
            roles: from_json(row.get("roles"))?,
            status,
            expires_at,
        },
        nonce: row.get("nonce"),
    })
}

/// The invitation with this code.
///
/// # Errors
/// [`StoreError`].
pub async fn by_code(
    connection: &mut SqliteConnection,
    code_hash: &[u8],
) -> Result<Option<Invitation>, StoreError> {
    let row = sqlx::query("SELECT * FROM invitations WHERE code_hash = ?")
        .bind(code_hash)
        .fetch_optional(connection)
        .await?;
    row.as_ref().map(read).transpose()
}

/// The invitation with this id.
///
/// # Errors
/// [`StoreError`].
pub async fn by_id(
    connection: &mut SqliteConnection,
    id: &InvitationId,
) -> Result<Option<Invitation>, StoreError> {
    let row = sqlx::query("SELECT * FROM invitations WHERE id = ?")
        .bind(id.as_str())
        .fetch_optional(connection)
        .await?;
    row.as_ref().map(read).transpose()
}

/// All invitations, newest first.
///
/// # Errors
/// [`StoreError`].
pub async fn list(connection: &mut SqliteConnection) -> Result<Vec<InvitationView>, StoreError> {
    let rows = sqlx::query("SELECT * FROM invitations ORDER BY id DESC")
        .fetch_all(connection)
        .await?;
    rows.iter()
        .map(|row| read(row).map(|invitation| invitation.view))
        .collect()
}

/// Changes the status.
///
/// # Errors
/// [`StoreError`].
pub async fn set_status(
    connection: &mut SqliteConnection,
    id: &InvitationId,
    status: InvitationStatus,
) -> Result<(), StoreError> {
    sqlx::query("UPDATE invitations SET status = ? WHERE id = ?")
        .bind(to_json(&status)?)
        .bind(id.as_str())
        .execute(connection)
        .await?;
    Ok(())
}

/// Number of log-in nonces that wait to be used.
///
/// # Errors
/// [`StoreError`].
pub async fn count_nonces(connection: &mut SqliteConnection) -> Result<u32, StoreError> {
    Ok(
        sqlx::query_scalar("SELECT COUNT(*) FROM login_nonces WHERE expires_at > ?")
            .bind(moment(Timestamp::now()))
            .fetch_one(connection)
            .await?,
    )
}

/// Stores a log-in nonce, and forgets those that have expired.
///
/// # Errors
/// [`StoreError`].
pub async fn insert_nonce(
    connection: &mut SqliteConnection,
    nonce: &str,
    expires_at: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM login_nonces WHERE expires_at < ?")
        .bind(moment(Timestamp::now()))
        .execute(&mut *connection)
        .await?;
    sqlx::query("INSERT INTO login_nonces (nonce, expires_at) VALUES (?, ?)")
        .bind(nonce)
        .bind(moment(expires_at))
        .execute(connection)
        .await?;
    Ok(())
}

/// Uses a log-in nonce up; tells whether it was good.
///
/// # Errors
/// [`StoreError`].
pub async fn take_nonce(
    connection: &mut SqliteConnection,
    nonce: &str,
) -> Result<bool, StoreError> {
    let deleted = sqlx::query("DELETE FROM login_nonces WHERE nonce = ? AND expires_at > ?")
        .bind(nonce)
        .bind(moment(Timestamp::now()))
        .execute(connection)
        .await?;
    Ok(deleted.rows_affected() == 1)
}
