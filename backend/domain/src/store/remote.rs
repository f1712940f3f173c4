//! Devices that may be attached from afar, as admins accepted them.

use countersign_protocol::{Timestamp, cvc::DeviceId, id::HsmId};
use sqlx::{Row, SqliteConnection};

use super::{StoreError, from_text, moment};

/// A device that may be attached from afar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteHsm {
    /// What it is called.
    pub hsm: HsmId,
    /// The device.
    pub device: DeviceId,
}

/// Enters one.
///
/// # Errors
/// [`StoreError`].
pub async fn insert(
    connection: &mut SqliteConnection,
    accepted: &RemoteHsm,
) -> Result<(), StoreError> {
    sqlx::query("INSERT INTO remote_hsms (hsm, device, accepted_at) VALUES (?, ?, ?)")
        .bind(accepted.hsm.as_str())
        .bind(accepted.device.as_str())
        .bind(moment(Timestamp::now()))
        .execute(connection)
        .await?;
    Ok(())
}

/// All of them, by name.
///
/// # Errors
/// [`StoreError`].
pub async fn list(connection: &mut SqliteConnection) -> Result<Vec<RemoteHsm>, StoreError> {
    let rows = sqlx::query("SELECT hsm, device FROM remote_hsms ORDER BY hsm")
        .fetch_all(connection)
        .await?;
    rows.iter()
        .map(|row| {
            Ok(RemoteHsm {
                hsm: HsmId::new(row.get::<String, _>("hsm")),
                device: from_text(row.get("device"))?,
            })
        })
        .collect()
}

/// Removes one; returns its device.
///
/// # Errors
/// [`StoreError`].
pub async fn remove(
    connection: &mut SqliteConnection,
    hsm: &HsmId,
) -> Result<Option<DeviceId>, StoreError> {
    let row = sqlx::query("DELETE FROM remote_hsms WHERE hsm = ? RETURNING device")
        .bind(hsm.as_str())
        .fetch_optional(connection)
        .await?;
    row.map(|row| from_text(row.get("device"))).transpose()
}

/// Whether an HSM is there because an admin accepted its device.
///
/// # Errors
/// [`StoreError`].
pub async fn is_accepted(
    connection: &mut SqliteConnection,
    hsm: &HsmId,
) -> Result<bool, StoreError> {
    let row = sqlx::query("SELECT 1 FROM remote_hsms WHERE hsm = ?")
        .bind(hsm.as_str())
        .fetch_optional(connection)
        .await?;
    Ok(row.is_some())
}
