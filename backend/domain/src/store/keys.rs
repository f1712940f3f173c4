//! What is kept of a signing key beside its HSM.

use countersign_protocol::{cvc::Fingerprint, hsm::KeySettings};
use sqlx::{Row, SqliteConnection};

use super::{StoreError, from_json, to_json};

/// What is kept of a key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyRecord {
    /// What may be done with it.
    pub settings: KeySettings,
    /// Its certificate in DER.
    pub certificate: Option<Vec<u8>>,
}

/// What is kept of this key; the default for a key that nobody touched.
///
/// # Errors
/// [`StoreError`].
pub async fn load(
    connection: &mut SqliteConnection,
    key: &Fingerprint,
) -> Result<KeyRecord, StoreError> {
    let row = sqlx::query("SELECT settings, certificate FROM keys WHERE fingerprint = ?")
        .bind(key.to_hex())
        .fetch_optional(connection)
        .await?;
    row.map_or_else(
        || Ok(KeyRecord::default()),
        |row| {
            Ok(KeyRecord {
                settings: from_json(row.get("settings"))?,
                certificate: row.get("certificate"),
            })
        },
    )
}

/// Stores what is kept of a key.
///
/// # Errors
/// [`StoreError`].
pub async fn save(
    connection: &mut SqliteConnection,
    key: &Fingerprint,
    record: &KeyRecord,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO keys (fingerprint, settings, certificate) VALUES (?, ?, ?)
         ON CONFLICT (fingerprint)
         DO UPDATE SET settings = excluded.settings, certificate = excluded.certificate",
    )
    .bind(key.to_hex())
    .bind(to_json(&record.settings)?)
    .bind(&record.certificate)
    .execute(connection)
    .await?;
    Ok(())
}
