//! Signatures: reserved before the card is asked, recorded before they are answered.

use countersign_protocol::{
    Timestamp,
    cvc::Fingerprint,
    encoding::Base64,
    id::{ActivationId, SignatureId},
    mechanism::Mechanism,
};
use sqlx::{QueryBuilder, Row, SqliteConnection, sqlite::SqliteRow};

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

/// A signature before the card is asked.
pub struct Reservation {
    /// Under which activation.
    pub activation: ActivationId,
    /// The requester's name for the wish.
    pub idempotency_key: String,
    /// What is to be made.
    pub signature: StoredSignature,
}

/// Reserves signatures, in one statement.
///
/// # Errors
/// [`StoreError`]; idempotency keys must be new.
pub async fn reserve(
    connection: &mut SqliteConnection,
    reservations: &[&Reservation],
) -> Result<(), StoreError> {
    if reservations.is_empty() {
        return Ok(());
    }
    QueryBuilder::new(
        "INSERT INTO signatures (id, activation, idempotency_key, fingerprint, mechanism, digest, salt_length) ",
    )
    .push_values(reservations, |mut row, reservation| {
        let signature = &reservation.signature;
        row.push_bind(signature.id.as_str())
            .push_bind(reservation.activation.as_str())
            .push_bind(&reservation.idempotency_key)
            .push_bind(signature.key.to_hex())
            .push_bind(signature.mechanism.as_str())
            .push_bind(&signature.digest)
            .push_bind(signature.salt_length);
    })
    .build()
    .execute(connection)
    .await?;
    Ok(())
}

/// Gives reservations back, in one statement: the card said that it made no signature.
///
/// # Errors
/// [`StoreError`].
pub async fn release(
    connection: &mut SqliteConnection,
    ids: &[&SignatureId],
) -> Result<(), StoreError> {
    if ids.is_empty() {
        return Ok(());
    }
    QueryBuilder::new("DELETE FROM signatures WHERE signature IS NULL AND id IN ")
        .push_tuples(ids, |mut row, id| {
            row.push_bind(id.as_str());
        })
        .build()
        .execute(connection)
        .await?;
    Ok(())
}

/// What a card made of a reservation.
pub struct Made {
    /// Which.
    pub id: SignatureId,
    /// The signature.
    pub signature: Vec<u8>,
    /// When it was made.
    pub at: Timestamp,
}

/// Records signatures, in one statement.
///
/// # Errors
/// [`StoreError`].
pub async fn record(connection: &mut SqliteConnection, made: &[&Made]) -> Result<(), StoreError> {
    if made.is_empty() {
        return Ok(());
    }
    QueryBuilder::new("WITH made (id, signature, at) AS (")
        .push_values(made, |mut row, made| {
            row.push_bind(made.id.as_str())
                .push_bind(&made.signature)
                .push_bind(moment(made.at));
        })
        .push(
            ") UPDATE signatures SET signature = made.signature, made_at = made.at
             FROM made WHERE signatures.id = made.id",
        )
        .build()
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
