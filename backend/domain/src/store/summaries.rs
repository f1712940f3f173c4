//! Activations without their lists of files, for everything that shows many of them. A list can have megabytes, so only the database
//! handles it here.

use countersign_protocol::id::{ActivationId, HsmId};
use sqlx::{Row, SqliteConnection, sqlite::SqliteRow};

use super::{
    StoreError,
    activations::{Activation, read},
};

/// The columns of an activation, with the first file of its list only, because a list cannot be empty.
macro_rules! select {
    ($condition:literal) => {
        concat!(
            "SELECT scope, state, was_open, authenticated, notice, revision, abandoned_after, token,
             CASE WHEN files > 1
             THEN json_set(terms, '$.purpose.scope.files', json_array(json_extract(terms, '$.purpose.scope.files[0]')))
             ELSE terms END AS terms,
             MAX(files - 1, 0) AS omitted
             FROM (SELECT *, COALESCE(json_array_length(terms, '$.purpose.scope.files'), 0) AS files
             FROM activations WHERE ",
            $condition,
            ")"
        )
    };
}

/// One member of an activation.
#[derive(Clone, Debug)]
pub struct Summary {
    /// The member. Its terms list one file at most.
    pub activation: Activation,
    /// Number of files that the terms leave out.
    pub omitted_files: u32,
}

impl From<Activation> for Summary {
    /// A summary that leaves nothing out.
    fn from(activation: Activation) -> Self {
        Self {
            activation,
            omitted_files: 0,
        }
    }
}

fn summary(row: &SqliteRow) -> Result<Summary, StoreError> {
    Ok(Summary {
        activation: read(row)?,
        omitted_files: row.get("omitted"),
    })
}

/// The members of an activation, in the order of its HSMs.
pub async fn members(
    connection: &mut SqliteConnection,
    id: &ActivationId,
) -> Result<Vec<Summary>, StoreError> {
    let rows = sqlx::query(select!("pool = ? ORDER BY sequence"))
        .bind(id.as_str())
        .fetch_all(connection)
        .await?;
    rows.iter().map(summary).collect()
}

/// Members on an HSM that have not ended, oldest first.
pub async fn active_of(
    connection: &mut SqliteConnection,
    hsm: &HsmId,
) -> Result<Vec<Summary>, StoreError> {
    let rows = sqlx::query(select!("hsm = ? AND ended = 0 ORDER BY place, sequence"))
        .bind(hsm.as_str())
        .fetch_all(connection)
        .await?;
    rows.iter().map(summary).collect()
}

/// The member that uses an HSM: it is open, or waits for approvals.
pub async fn user_of(
    connection: &mut SqliteConnection,
    hsm: &HsmId,
) -> Result<Option<Summary>, StoreError> {
    let row = sqlx::query(select!(
        "hsm = ? AND ended = 0 AND json_extract(state, '$.type') <> 'queued' ORDER BY sequence LIMIT 1"
    ))
    .bind(hsm.as_str())
    .fetch_optional(connection)
    .await?;
    row.as_ref().map(summary).transpose()
}
