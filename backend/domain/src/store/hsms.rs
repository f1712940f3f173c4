//! What is remembered of signing HSMs: the device, how its challenges live, who is registered.

use countersign_card::pka::ChallengeBehaviour;
use countersign_protocol::{
    Timestamp,
    cvc::{DeviceId, Fingerprint},
    hsm::RegisteredCustodian,
    id::{HsmId, OperatorId},
    operator::{EnrolledKey, KeyStatus, Person},
};
use sqlx::{Row, SqliteConnection, sqlite::SqliteRow};

use super::{StoreError, from_json, from_text, moment, to_json};

/// What was learnt of a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownDevice {
    /// The device.
    pub device: DeviceId,
    /// How its challenges live.
    pub behaviour: ChallengeBehaviour,
}

/// The device that was last seen behind an HSM.
///
/// # Errors
/// [`StoreError`].
pub async fn known_device(
    connection: &mut SqliteConnection,
    hsm: &HsmId,
) -> Result<Option<KnownDevice>, StoreError> {
    let row = sqlx::query("SELECT device, behaviour FROM devices WHERE hsm = ?")
        .bind(hsm.as_str())
        .fetch_optional(connection)
        .await?;
    row.map(|row| {
        Ok(KnownDevice {
            device: from_text(row.get("device"))?,
            behaviour: from_json(row.get("behaviour"))?,
        })
    })
    .transpose()
}

/// Remembers a device.
///
/// # Errors
/// [`StoreError`].
pub async fn remember_device(
    connection: &mut SqliteConnection,
    hsm: &HsmId,
    known: &KnownDevice,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO devices (hsm, device, behaviour) VALUES (?, ?, ?)
         ON CONFLICT (hsm) DO UPDATE SET device = excluded.device, behaviour = excluded.behaviour",
    )
    .bind(hsm.as_str())
    .bind(known.device.as_str())
    .bind(to_json(&known.behaviour)?)
    .execute(connection)
    .await?;
    Ok(())
}

/// Enters a custodian's key.
///
/// # Errors
/// [`StoreError`].
pub async fn insert_custodian(
    connection: &mut SqliteConnection,
    hsm: &HsmId,
    key: &Fingerprint,
    by: &OperatorId,
) -> Result<(), StoreError> {
    sqlx::query("INSERT INTO custodians (hsm, fingerprint, registered_at, registered_by) VALUES (?, ?, ?, ?)")
        .bind(hsm.as_str())
        .bind(key.to_hex())
        .bind(moment(Timestamp::now()))
        .bind(by.as_str())
        .execute(connection)
        .await?;
    Ok(())
}

/// Forgets all custodians of an HSM, since it was erased.
///
/// # Errors
/// [`StoreError`].
pub async fn forget_custodians(
    connection: &mut SqliteConnection,
    hsm: &HsmId,
) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM custodians WHERE hsm = ?")
        .bind(hsm.as_str())
        .execute(connection)
        .await?;
    Ok(())
}

/// Custodians registered in an HSM, in the order of registration.
///
/// # Errors
/// [`StoreError`].
pub async fn custodians(
    connection: &mut SqliteConnection,
    hsm: &HsmId,
) -> Result<Vec<RegisteredCustodian>, StoreError> {
    let rows = sqlx::query(
        "SELECT c.registered_at, o.id, o.name, o.key, o.status, admin.id AS by_id, admin.name AS by_name
         FROM custodians c
         JOIN operators o ON o.fingerprint = c.fingerprint
         JOIN operators admin ON admin.id = c.registered_by
         WHERE c.hsm = ? ORDER BY c.registered_at, o.id",
    )
    .bind(hsm.as_str())
    .fetch_all(connection)
    .await?;
    rows.iter().map(read_custodian).collect()
}

fn read_custodian(row: &SqliteRow) -> Result<RegisteredCustodian, StoreError> {
    let key: EnrolledKey = from_json(row.get("key"))?;
    let status: KeyStatus = from_json(row.get("status"))?;
    Ok(RegisteredCustodian {
        person: person(row, "id", "name"),
        key: key.fingerprint,
        chr: key.chr,
        registered_at: from_text(row.get("registered_at"))?,
        registered_by: person(row, "by_id", "by_name"),
        revoked: matches!(status, KeyStatus::Revoked { .. }),
    })
}

fn person(row: &SqliteRow, id: &str, name: &str) -> Person {
    Person {
        id: OperatorId::new(row.get::<String, _>(id)),
        name: row.get(name),
    }
}
