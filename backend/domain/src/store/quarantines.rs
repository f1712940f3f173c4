//! Devices that are not used until an admin ends their quarantine.

use countersign_protocol::{Timestamp, cvc::DeviceId};
use sqlx::{Row, SqliteConnection};

use super::{StoreError, from_text, time_text};

/// Why and since when a device is not used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quarantine {
    pub why: String,
    pub since: Timestamp,
}

/// Stores a quarantine. An earlier one of the same device remains.
pub async fn insert(
    connection: &mut SqliteConnection,
    device: &DeviceId,
    quarantine: &Quarantine,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO quarantines (device, why, since) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
    )
    .bind(device.as_str())
    .bind(&quarantine.why)
    .bind(time_text(quarantine.since))
    .execute(connection)
    .await?;
    Ok(())
}

/// Every device in quarantine.
pub async fn list(
    connection: &mut SqliteConnection,
) -> Result<Vec<(DeviceId, Quarantine)>, StoreError> {
    let rows = sqlx::query("SELECT device, why, since FROM quarantines")
        .fetch_all(connection)
        .await?;
    rows.iter()
        .map(|row| {
            let quarantine = Quarantine {
                why: row.get("why"),
                since: from_text(row.get("since"))?,
            };
            Ok((from_text(row.get("device"))?, quarantine))
        })
        .collect()
}

/// Ends the quarantine of a device.
pub async fn remove(
    connection: &mut SqliteConnection,
    device: &DeviceId,
) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM quarantines WHERE device = ?")
        .bind(device.as_str())
        .execute(connection)
        .await?;
    Ok(())
}
