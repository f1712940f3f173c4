//! Operators and their keys.

use countersign_protocol::{
    cvc::{DeviceId, Fingerprint},
    id::OperatorId,
    operator::{KeyStatus, OperatorView, Person},
};
use sqlx::{Row, SqliteConnection, sqlite::SqliteRow};

use super::{StoreError, from_json, from_text, moment, to_json};

/// An operator with the evidence for the key.
#[derive(Clone, Debug)]
pub struct Operator {
    /// As others see them.
    pub view: OperatorView,
    /// The `.pka` triple.
    pub pka: Vec<u8>,
}

impl Operator {
    /// Whether the key may be used.
    pub fn is_confirmed(&self) -> bool {
        matches!(self.view.status, KeyStatus::Confirmed { .. })
    }
}

fn read(row: &SqliteRow) -> Result<Operator, StoreError> {
    Ok(Operator {
        view: OperatorView {
            person: Person {
                id: OperatorId::new(row.get::<String, _>("id")),
                name: row.get("name"),
            },
            mail: row.get("mail"),
            roles: from_json(row.get("roles"))?,
            key: from_json(row.get("key"))?,
            status: from_json(row.get("status"))?,
            enrolled_at: from_text(row.get("enrolled_at"))?,
        },
        pka: row.get("pka"),
    })
}

/// Stores a new operator.
///
/// # Errors
/// [`StoreError`].
pub async fn insert(
    connection: &mut SqliteConnection,
    operator: &Operator,
) -> Result<(), StoreError> {
    let view = &operator.view;
    sqlx::query(
        "INSERT INTO operators (id, name, mail, roles, key, fingerprint, device, pka, status, enrolled_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(view.person.id.as_str())
    .bind(&view.person.name)
    .bind(&view.mail)
    .bind(to_json(&view.roles)?)
    .bind(to_json(&view.key)?)
    .bind(view.key.fingerprint.to_hex())
    .bind(view.key.device.as_str())
    .bind(&operator.pka)
    .bind(to_json(&view.status)?)
    .bind(moment(view.enrolled_at))
    .execute(connection)
    .await?;
    Ok(())
}

/// Changes the status of an operator's key.
///
/// # Errors
/// [`StoreError`].
pub async fn set_status(
    connection: &mut SqliteConnection,
    id: &OperatorId,
    status: &KeyStatus,
) -> Result<(), StoreError> {
    sqlx::query("UPDATE operators SET status = ? WHERE id = ?")
        .bind(to_json(status)?)
        .bind(id.as_str())
        .execute(connection)
        .await?;
    Ok(())
}

async fn one(
    connection: &mut SqliteConnection,
    sql: &'static str,
    value: &str,
) -> Result<Option<Operator>, StoreError> {
    let row = sqlx::query(sql)
        .bind(value)
        .fetch_optional(connection)
        .await?;
    row.as_ref().map(read).transpose()
}

/// The operator with this id.
///
/// # Errors
/// [`StoreError`].
pub async fn by_id(
    connection: &mut SqliteConnection,
    id: &OperatorId,
) -> Result<Option<Operator>, StoreError> {
    one(
        connection,
        "SELECT * FROM operators WHERE id = ?",
        id.as_str(),
    )
    .await
}

/// The operator with this key.
///
/// # Errors
/// [`StoreError`].
pub async fn by_key(
    connection: &mut SqliteConnection,
    key: &Fingerprint,
) -> Result<Option<Operator>, StoreError> {
    one(
        connection,
        "SELECT * FROM operators WHERE fingerprint = ?",
        &key.to_hex(),
    )
    .await
}

/// The operator with this card.
///
/// # Errors
/// [`StoreError`].
pub async fn by_device(
    connection: &mut SqliteConnection,
    device: &DeviceId,
) -> Result<Option<Operator>, StoreError> {
    one(
        connection,
        "SELECT * FROM operators WHERE device = ?",
        device.as_str(),
    )
    .await
}

/// All operators, by name.
///
/// # Errors
/// [`StoreError`].
pub async fn list(connection: &mut SqliteConnection) -> Result<Vec<Operator>, StoreError> {
    let rows = sqlx::query("SELECT * FROM operators ORDER BY name, id")
        .fetch_all(connection)
        .await?;
    rows.iter().map(read).collect()
}
