//! Remote devices that admins accepted as HSMs. Those that the configuration names are not stored.

use countersign_protocol::{Timestamp, cvc::DeviceId, id::HsmId};
use sqlx::{Row, SqliteConnection};

use super::{StoreError, from_text, time_text};

/// An accepted device with the name of its HSM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteHsm {
    pub hsm: HsmId,
    pub device: DeviceId,
}

pub async fn insert(
    connection: &mut SqliteConnection,
    accepted: &RemoteHsm,
) -> Result<(), StoreError> {
    sqlx::query("INSERT INTO remote_hsms (hsm, device, accepted_at) VALUES (?, ?, ?)")
        .bind(accepted.hsm.as_str())
        .bind(accepted.device.as_str())
        .bind(time_text(Timestamp::now()))
        .execute(connection)
        .await?;
    Ok(())
}

/// All accepted devices, by the name of the HSM.
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

/// Deletes the accepted device of this HSM and returns it, or `None` if no admin accepted one.
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

/// Whether an admin accepted the device of this HSM, so that an admin can remove it.
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
