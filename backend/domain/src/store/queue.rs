//! The queue of each HSM: the order of its activations, who requested them, and how much one requester has waiting.

use countersign_protocol::id::{HsmId, MemberId, OperatorId, TokenId};
use sqlx::{Row, SqliteConnection};

use super::{StoreError, unsigned};

/// The requester of an activation that has not ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requested {
    pub id: MemberId,
    pub person: OperatorId,
    /// The token that made the request, if it was not the person in the portal.
    pub token: Option<TokenId>,
    /// Whether the activation generates a key.
    pub generates_key: bool,
}

/// The activations of a requester that have not opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waiting {
    pub requests: u64,
    /// Those of them that the given token requested.
    pub of_token: u64,
    /// Size of their terms with the manifests.
    pub bytes: u64,
}

/// The requesters of the activations on an HSM that have not ended. Does not read their manifests.
pub async fn requesters(
    connection: &mut SqliteConnection,
    hsm: &HsmId,
) -> Result<Vec<Requested>, StoreError> {
    let rows = sqlx::query(
        "SELECT id, requester, token, terms ->> '$.purpose.type' = 'generate-key' AS generates_key
         FROM activations WHERE hsm = ? AND ended = 0 ORDER BY place, sequence",
    )
    .bind(hsm.as_str())
    .fetch_all(connection)
    .await?;
    let requested = rows.iter().map(|row| Requested {
        id: MemberId::new(row.get::<String, _>("id")),
        person: OperatorId::new(row.get::<String, _>("requester")),
        token: row.get::<Option<String>, _>("token").map(TokenId::new),
        generates_key: row.get("generates_key"),
    });
    Ok(requested.collect())
}

/// The waiting requests of this requester. An activation on several HSMs counts once.
pub async fn waiting(
    connection: &mut SqliteConnection,
    requester: &OperatorId,
    token: Option<&TokenId>,
) -> Result<Waiting, StoreError> {
    let row = sqlx::query(
        "SELECT COUNT(*) AS requests, COALESCE(SUM(token IS ?2 AND ?2 IS NOT NULL), 0) AS of_token,
                COALESCE(SUM(bytes), 0) AS bytes
         FROM (SELECT token, MAX(octet_length(terms)) AS bytes FROM activations
               WHERE requester = ?1 AND ended = 0 AND was_open = 0 GROUP BY pool)",
    )
    .bind(requester.as_str())
    .bind(token.map(TokenId::as_str))
    .fetch_one(connection)
    .await?;
    Ok(Waiting {
        requests: unsigned(row.get("requests"))?,
        of_token: unsigned(row.get("of_token"))?,
        bytes: unsigned(row.get("bytes"))?,
    })
}

/// Moves a member to the end of the queue.
pub async fn move_to_end(
    connection: &mut SqliteConnection,
    id: &MemberId,
) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE activations SET place = (SELECT MAX(place) + 1 FROM activations) WHERE id = ?",
    )
    .bind(id.as_str())
    .execute(connection)
    .await?;
    Ok(())
}
