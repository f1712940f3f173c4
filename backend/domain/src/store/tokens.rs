//! API tokens.

use countersign_protocol::{
    Timestamp,
    digest::Sha256Digest,
    id::{OperatorId, TokenId},
    operator::Person,
    token::TokenView,
};
use sqlx::{Row, SqliteConnection, sqlite::SqliteRow};

use super::{StoreError, from_json, from_text, moment, to_json};

const SELECT: &str = "SELECT tokens.*, operators.name AS owner_name FROM tokens
     JOIN operators ON operators.id = tokens.owner";

fn read(row: &SqliteRow) -> Result<TokenView, StoreError> {
    let optional = |column| {
        row.get::<Option<&str>, _>(column)
            .map(from_text)
            .transpose()
    };
    Ok(TokenView {
        id: TokenId::new(row.get::<String, _>("id")),
        label: row.get("label"),
        owner: Person {
            id: OperatorId::new(row.get::<String, _>("owner")),
            name: row.get("owner_name"),
        },
        keys: from_json(row.get("keys"))?,
        certificate: row
            .get::<Option<&str>, _>("certificate")
            .map(from_json)
            .transpose()?,
        created_at: from_text(row.get("created_at"))?,
        expires_at: from_text(row.get("expires_at"))?,
        last_used_at: optional("last_used_at")?,
        revoked_at: optional("revoked_at")?,
    })
}

/// Stores a new token.
///
/// # Errors
/// [`StoreError`].
pub async fn insert(
    connection: &mut SqliteConnection,
    token: &TokenView,
    hash: &Sha256Digest,
) -> Result<(), StoreError> {
    let certificate = token.certificate.as_ref();
    sqlx::query(
        "INSERT INTO tokens (id, hash, owner, label, keys, created_at, expires_at, certificate, certificate_hash)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(token.id.as_str())
    .bind(&hash.as_bytes()[..])
    .bind(token.owner.id.as_str())
    .bind(&token.label)
    .bind(to_json(&token.keys)?)
    .bind(moment(token.created_at))
    .bind(moment(token.expires_at))
    .bind(certificate.map(to_json).transpose()?)
    .bind(certificate.map(|certificate| certificate.fingerprint.as_bytes().to_vec()))
    .execute(connection)
    .await?;
    Ok(())
}

/// The token with this secret's hash.
///
/// # Errors
/// [`StoreError`].
pub async fn by_hash(
    connection: &mut SqliteConnection,
    hash: &Sha256Digest,
) -> Result<Option<TokenView>, StoreError> {
    let row = sqlx::query(&format!("{SELECT} WHERE hash = ?"))
        .bind(&hash.as_bytes()[..])
        .fetch_optional(connection)
        .await?;
    row.as_ref().map(read).transpose()
}

/// The token for which this certificate stands; there is at most one that works.
///
/// # Errors
/// [`StoreError`].
pub async fn by_certificate(
    connection: &mut SqliteConnection,
    fingerprint: &Sha256Digest,
) -> Result<Option<TokenView>, StoreError> {
    let row = sqlx::query(&format!(
        "{SELECT} WHERE certificate_hash = ? AND revoked_at IS NULL AND expires_at > ?"
    ))
    .bind(&fingerprint.as_bytes()[..])
    .bind(moment(Timestamp::now()))
    .fetch_optional(connection)
    .await?;
    row.as_ref().map(read).transpose()
}

/// The token with this id.
///
/// # Errors
/// [`StoreError`].
pub async fn by_id(
    connection: &mut SqliteConnection,
    id: &TokenId,
) -> Result<Option<TokenView>, StoreError> {
    let row = sqlx::query(&format!("{SELECT} WHERE tokens.id = ?"))
        .bind(id.as_str())
        .fetch_optional(connection)
        .await?;
    row.as_ref().map(read).transpose()
}

/// All tokens, newest first.
///
/// # Errors
/// [`StoreError`].
pub async fn list(connection: &mut SqliteConnection) -> Result<Vec<TokenView>, StoreError> {
    let rows = sqlx::query(&format!("{SELECT} ORDER BY tokens.id DESC"))
        .fetch_all(connection)
        .await?;
    rows.iter().map(read).collect()
}

/// Withdraws a token.
///
/// # Errors
/// [`StoreError`].
pub async fn revoke(connection: &mut SqliteConnection, id: &TokenId) -> Result<(), StoreError> {
    sqlx::query("UPDATE tokens SET revoked_at = ? WHERE id = ?")
        .bind(moment(Timestamp::now()))
        .bind(id.as_str())
        .execute(connection)
        .await?;
    Ok(())
}

/// Remembers a use.
///
/// # Errors
/// [`StoreError`].
pub async fn touch(connection: &mut SqliteConnection, id: &TokenId) -> Result<(), StoreError> {
    sqlx::query("UPDATE tokens SET last_used_at = ? WHERE id = ?")
        .bind(moment(Timestamp::now()))
        .bind(id.as_str())
        .execute(connection)
        .await?;
    Ok(())
}
