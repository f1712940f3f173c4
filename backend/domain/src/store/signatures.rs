//! Signatures. A row is reserved before the card signs, and the signature is recorded before the requester gets it.

use countersign_protocol::{
    Timestamp,
    cvc::Fingerprint,
    encoding::Base64,
    id::{ActivationId, MemberId, SignatureId},
    mechanism::Mechanism,
};
use sqlx::{QueryBuilder, Row, SqliteConnection, sqlite::SqliteRow};

use super::{StoreError, from_text, time_text};

/// A reservation, with its signature once the card has signed.
#[derive(Clone, Debug)]
pub struct StoredSignature {
    pub id: SignatureId,
    pub key: Fingerprint,
    pub mechanism: Mechanism,
    pub digest: Vec<u8>,
    /// Requested length of the PSS salt in bytes. `None` means the length of the digest.
    pub salt_length: Option<u16>,
    /// The signature and its time. `None` means that signing is in progress or that its outcome is unknown.
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

/// The reservation with this idempotency key under an activation, on any of its HSMs. One with a signature is preferred.
pub async fn by_key(
    connection: &mut SqliteConnection,
    activation: &ActivationId,
    idempotency_key: &str,
) -> Result<Option<StoredSignature>, StoreError> {
    let row = sqlx::query(
        "SELECT s.* FROM signatures s JOIN activations a ON a.id = s.activation
         WHERE a.pool = ? AND s.idempotency_key = ? ORDER BY s.signature IS NULL LIMIT 1",
    )
    .bind(activation.as_str())
    .bind(idempotency_key)
    .fetch_optional(connection)
    .await?;
    row.as_ref().map(read).transpose()
}

/// A reservation that is to be stored.
pub struct Reservation {
    pub activation: MemberId,
    /// The requester's identifier of the request, so that a repeated request gets the same signature.
    pub idempotency_key: String,
    pub signature: StoredSignature,
}

/// Stores reservations in one statement.
///
/// # Errors
/// An idempotency key was already used under its activation; no reservation is stored then.
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

/// Deletes reservations in one statement, because the card reported that it did not sign.
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

/// The signature of a reservation.
pub struct Made {
    pub id: SignatureId,
    pub signature: Vec<u8>,
    pub at: Timestamp,
}

/// Records the signatures of reservations in one statement.
pub async fn record(connection: &mut SqliteConnection, made: &[&Made]) -> Result<(), StoreError> {
    if made.is_empty() {
        return Ok(());
    }
    QueryBuilder::new("WITH made (id, signature, at) AS (")
        .push_values(made, |mut row, made| {
            row.push_bind(made.id.as_str())
                .push_bind(&made.signature)
                .push_bind(time_text(made.at));
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

/// Number of signatures, and number of reservations including them.
pub async fn counts(
    connection: &mut SqliteConnection,
    activation: &MemberId,
) -> Result<(u32, u32), StoreError> {
    let row = sqlx::query("SELECT COUNT(signature) AS made, COUNT(*) AS reserved FROM signatures WHERE activation = ?")
        .bind(activation.as_str())
        .fetch_one(connection)
        .await?;
    Ok((row.get("made"), row.get("reserved")))
}

/// Largest number of rows that are read at once.
const PAGE: u32 = 1000;

/// Some signatures under a member of an activation.
pub struct Page {
    pub signatures: Vec<StoredSignature>,
    /// The place after which the next page begins; `None` if this is the last page.
    pub next: Option<Place>,
}

/// A place in the order of reservations.
#[derive(Clone, Copy)]
pub struct Place(i64);

/// The signatures under a member of an activation after this place, or the first ones, in the order of their reservations.
pub async fn page(
    connection: &mut SqliteConnection,
    activation: &MemberId,
    after: Option<Place>,
) -> Result<Page, StoreError> {
    let rows = sqlx::query(
        "SELECT rowid, * FROM signatures WHERE activation = ? AND rowid > ? AND signature IS NOT NULL ORDER BY rowid LIMIT ?",
    )
    .bind(activation.as_str())
    .bind(after.map_or(i64::MIN, |Place(row)| row))
    .bind(PAGE)
    .fetch_all(connection)
    .await?;
    let is_full = u32::try_from(rows.len()).is_ok_and(|rows| rows == PAGE);
    Ok(Page {
        next: rows
            .last()
            .filter(|_| is_full)
            .map(|row| Place(row.get("rowid"))),
        signatures: rows.iter().map(read).collect::<Result<_, _>>()?,
    })
}

/// The signatures under an activation's member, oldest first.
pub async fn made(
    connection: &mut SqliteConnection,
    activation: &MemberId,
) -> Result<Vec<StoredSignature>, StoreError> {
    let rows = sqlx::query(
        "SELECT * FROM signatures WHERE activation = ? AND signature IS NOT NULL ORDER BY made_at, id",
    )
    .bind(activation.as_str())
    .fetch_all(connection)
    .await?;
    rows.iter().map(read).collect()
}
