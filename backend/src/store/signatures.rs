//! Signatures: reserved before the card is asked, recorded before they are answered.

use countersign_protocol::{
    Timestamp,
    cvc::Fingerprint,
    encoding::Base64,
    id::{ActivationId, SignatureId},
    mechanism::Mechanism,
};
use sqlx::{Row, SqliteConnection, sqlite::SqliteRow};

use super::{StoreError, from_text, moment};

/// A reservation, and what became of it.
#[derive(Clone, Debug)]
pub struct StoredSignature {
    /// Id.
    pub id: SignatureId,
    /// By which key.
    pub key: Fingerprint,
    /// How.
    pub mechanism: Mechanism,
    /// Over which digest.
    pub digest: Vec<u8>,
    /// Length of the salt, where it is not the usual one.
    pub salt_length: Option<u16>,
    /// The signature and when it was made; `None`: under way, or its outcome is unknown.
    pub made: Option<(Base64, Timestamp)>,
}

fn read(row: &SqliteRow) -> Result<StoredSignature, StoreError> {
    let signature: Option<Vec<u8>> = row.get("signature");
    let made_at: Option<&str> = row.get("made_at");
    Ok(StoredSignature {
        id: SignatureId::new(row.get::<String, _>("id")),
        key: from_text(row.get("fingerprint"))?,
        mechanism: from_text(row.get("mechanism"))?,
        digest: row.get("digest"),
        salt_length: row.get("salt_length"),
        made: match (signature, made_at) {
            (Some(signature), Some(at)) => Some((Base64(signature), from_text(at)?)),
            _ => None,
        },
    })
}

/// What was made of this idempotency key, on whichever HSM.
///
/// # Errors
/// [`StoreError`].
pub async fn by_key(
    connection: &mut SqliteConnection,
    activation: &ActivationId,
    idempotency_key: &str,
) -> Result<Option<StoredSignature>, StoreError> {
    let row = sqlx::query(
        "SELECT s.* FROM signatures s JOIN activations a ON a.id = s.activation
         WHERE a.pool = ? AND s.idempotency_key = ? ORDER BY s.signature IS NULL LIMIT 1",
    )
    .bind(activation.activation().as_str())
    .bind(idempotency_key)
    .fetch_optional(connection)
    .await?;
    row.as_ref().map(read).transpose()
}

/// Reserves a signature.
///
/// # Errors
/// [`StoreError`]; the idempotency key must be new.
pub async fn reserve(
    connection: &mut SqliteConnection,
    activation: &ActivationId,
    idempotency_key: &str,
    reservation: &StoredSignature,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO signatures (id, activation, idempotency_key, fingerprint, mechanism, digest, salt_length)
         VALUES (?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(reservation.id.as_str())
    .bind(activation.as_str())
    .bind(idempotency_key)
    .bind(reservation.key.to_hex())
    .bind(reservation.mechanism.as_str())
    .bind(&reservation.digest)
    .bind(reservation.salt_length)
    .execute(connection)
    .await?;
    Ok(())
}

/// Gives a reservation back: the card said that it made no signature.
///
/// # Errors
/// [`StoreError`].
pub async fn release(
    connection: &mut SqliteConnection,
    id: &SignatureId,
) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM signatures WHERE id = ? AND signature IS NULL")
        .bind(id.as_str())
        .execute(connection)
        .await?;
    Ok(())
}

/// Records a signature.
///
/// # Errors
/// [`StoreError`].
pub async fn record(
    connection: &mut SqliteConnection,
    id: &SignatureId,
    signature: &[u8],
    at: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query("UPDATE signatures SET signature = ?, made_at = ? WHERE id = ?")
        .bind(signature)
        .bind(moment(at))
        .bind(id.as_str())
        .execute(connection)
        .await?;
    Ok(())
}

/// Signatures made and reservations, in this order.
///
/// # Errors
/// [`StoreError`].
pub async fn counts(
    connection: &mut SqliteConnection,
    activation: &ActivationId,
) -> Result<(u32, u32), StoreError> {
    let row = sqlx::query("SELECT COUNT(signature) AS made, COUNT(*) AS reserved FROM signatures WHERE activation = ?")
        .bind(activation.as_str())
        .fetch_one(connection)
        .await?;
    Ok((row.get("made"), row.get("reserved")))
}

/// Signatures made, oldest first.
///
/// # Errors
/// [`StoreError`].
pub async fn made(
    connection: &mut SqliteConnection,
    activation: &ActivationId,
) -> Result<Vec<StoredSignature>, StoreError> {
    let rows = sqlx::query(
        "SELECT * FROM signatures WHERE activation = ? AND signature IS NOT NULL ORDER BY made_at, id",
    )
    .bind(activation.as_str())
    .fetch_all(connection)
    .await?;
    rows.iter().map(read).collect()
}
