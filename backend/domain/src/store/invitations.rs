//! Bootstrap codes, invitations and log-in nonces.

use countersign_protocol::{
    Timestamp,
    id::InvitationId,
    operator::{InvitationStatus, InvitationView},
};
use sqlx::{Row, SqliteConnection, sqlite::SqliteRow};

use super::{StoreError, from_json, from_text, time_text, to_json};

/// An invitation with the fields that only the server knows.
#[derive(Clone, Debug)]
pub struct Invitation {
    pub view: InvitationView,
    /// Part of the statement that the person signs at enrolment.
    pub nonce: String,
}

/// Stores the hash of a bootstrap code in place of an earlier one.
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
        .bind(time_text(expires_at))
        .execute(connection)
        .await?;
    Ok(())
}

/// Deletes the bootstrap code with this hash. Returns its expiry time, which may be in the past, or `None` if the code is unknown.
pub async fn take_bootstrap_code(
    connection: &mut SqliteConnection,
    hash: &[u8],
) -> Result<Option<Timestamp>, StoreError> {
    let row = sqlx::query("DELETE FROM bootstrap_codes WHERE hash = ? RETURNING expires_at")
        .bind(hash)
        .fetch_optional(connection)
        .await?;
    row.map(|row| from_text(row.get("expires_at"))).transpose()
}

/// Stores a new invitation with the hash of its code.
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
    .bind(time_text(view.expires_at))
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

/// The invitation whose code has this hash, whatever its status.
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
pub async fn list(connection: &mut SqliteConnection) -> Result<Vec<InvitationView>, StoreError> {
    let rows = sqlx::query("SELECT * FROM invitations ORDER BY id DESC")
        .fetch_all(connection)
        .await?;
    rows.iter()
        .map(|row| read(row).map(|invitation| invitation.view))
        .collect()
}

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

/// Number of log-in nonces that were neither used nor expired.
pub async fn count_nonces(connection: &mut SqliteConnection) -> Result<u32, StoreError> {
    Ok(
        sqlx::query_scalar("SELECT COUNT(*) FROM login_nonces WHERE expires_at > ?")
            .bind(time_text(Timestamp::now()))
            .fetch_one(connection)
            .await?,
    )
}

/// Stores a log-in nonce, and deletes those that expired.
pub async fn insert_nonce(
    connection: &mut SqliteConnection,
    nonce: &str,
    expires_at: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM login_nonces WHERE expires_at < ?")
        .bind(time_text(Timestamp::now()))
        .execute(&mut *connection)
        .await?;
    sqlx::query("INSERT INTO login_nonces (nonce, expires_at) VALUES (?, ?)")
        .bind(nonce)
        .bind(time_text(expires_at))
        .execute(connection)
        .await?;
    Ok(())
}

/// Deletes a log-in nonce. Returns whether it existed and had not expired.
pub async fn take_nonce(
    connection: &mut SqliteConnection,
    nonce: &str,
) -> Result<bool, StoreError> {
    let deleted = sqlx::query("DELETE FROM login_nonces WHERE nonce = ? AND expires_at > ?")
        .bind(nonce)
        .bind(time_text(Timestamp::now()))
        .execute(connection)
        .await?;
    Ok(deleted.rows_affected() == 1)
}

pub async fn delete_nonces(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM login_nonces")
        .execute(connection)
        .await?;
    Ok(())
}
