//! Acts and their signatures.

use countersign_protocol::{
    Timestamp,
    act::{ActSignature, ActState, ActTerms, ActView, NewAct},
    digest::Sha256Digest,
    id::{ActId, OperatorId},
    operator::Person,
    token::TokenCertificate,
};
use jiff::SignedDuration;
use sqlx::{Row, SqliteConnection, sqlite::SqliteRow};

use super::{StoreError, from_json, from_text, time_text, to_json};

/// How long acts that ended are kept. The audit log keeps them for good.
const KEPT: SignedDuration = SignedDuration::from_hours(7 * 24);

/// An act with the fields that only the server needs.
#[derive(Clone, Debug)]
pub struct StoredAct {
    pub view: ActView,
    pub proposal: NewAct,
    /// The client certificate of a proposed token.
    pub certificate: Option<TokenCertificate>,
}

impl StoredAct {
    pub fn terms(&self) -> &ActTerms {
        &self.view.terms
    }
}

pub async fn insert(connection: &mut SqliteConnection, act: &StoredAct) -> Result<(), StoreError> {
    let terms = act.terms();
    sqlx::query(
        "INSERT INTO acts (id, proposer, proposal, certificate, terms, state) VALUES (?, ?, ?, ?, ?, ?)",
    )
    .bind(terms.id.as_str())
    .bind(terms.proposer.id.as_str())
    .bind(to_json(&act.proposal)?)
    .bind(act.certificate.as_ref().map(to_json).transpose()?)
    .bind(to_json(terms)?)
    .bind(to_json(&act.view.state)?)
    .execute(connection)
    .await?;
    Ok(())
}

async fn read(connection: &mut SqliteConnection, row: &SqliteRow) -> Result<StoredAct, StoreError> {
    let terms: ActTerms = from_json(row.get("terms"))?;
    let mut state = from_json(row.get("state"))?;
    if state == ActState::AwaitingSignatures && terms.expires_at <= Timestamp::now() {
        state = ActState::Expired;
    }
    let certificate: Option<&str> = row.get("certificate");
    Ok(StoredAct {
        proposal: from_json(row.get("proposal"))?,
        certificate: certificate.map(from_json).transpose()?,
        view: ActView {
            signed_by: signatures(connection, &terms.id).await?,
            terms,
            state,
            notice: row.get("notice"),
        },
    })
}

/// The signatures that count, in the order in which they were made.
async fn signatures(
    connection: &mut SqliteConnection,
    id: &ActId,
) -> Result<Vec<ActSignature>, StoreError> {
    let rows = sqlx::query(
        "SELECT operators.id, operators.name, act_signatures.key, act_signatures.at FROM act_signatures
         JOIN operators ON operators.id = act_signatures.operator WHERE act = ? AND counts ORDER BY act_signatures.rowid",
    )
    .bind(id.as_str())
    .fetch_all(connection)
    .await?;
    rows.iter()
        .map(|row| {
            Ok(ActSignature {
                person: Person {
                    id: OperatorId::new(row.get::<String, _>("id")),
                    name: row.get("name"),
                },
                key: from_text(row.get("key"))?,
                at: from_text(row.get("at"))?,
            })
        })
        .collect()
}

pub async fn by_id(
    connection: &mut SqliteConnection,
    id: &ActId,
) -> Result<Option<StoredAct>, StoreError> {
    let row = sqlx::query("SELECT * FROM acts WHERE id = ?")
        .bind(id.as_str())
        .fetch_optional(&mut *connection)
        .await?;
    match row {
        Some(row) => read(connection, &row).await.map(Some),
        None => Ok(None),
    }
}

async fn all(
    connection: &mut SqliteConnection,
    sql: &'static str,
) -> Result<Vec<StoredAct>, StoreError> {
    let rows = sqlx::query(sql).fetch_all(&mut *connection).await?;
    let mut acts = Vec::with_capacity(rows.len());
    for row in &rows {
        acts.push(read(connection, row).await?);
    }
    Ok(acts)
}

/// The acts that are not marked as ended, oldest first. Some of them may have expired.
pub async fn unended(connection: &mut SqliteConnection) -> Result<Vec<StoredAct>, StoreError> {
    all(
        connection,
        "SELECT * FROM acts WHERE ended_at IS NULL ORDER BY id",
    )
    .await
}

/// The acts that ended lately, newest first.
pub async fn ended(connection: &mut SqliteConnection) -> Result<Vec<StoredAct>, StoreError> {
    all(
        connection,
        "SELECT * FROM acts WHERE ended_at IS NOT NULL ORDER BY id DESC LIMIT 200",
    )
    .await
}

/// Deletes acts that ended long ago.
pub async fn forget_old(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM acts WHERE ended_at < ?")
        .bind(time_text(Timestamp::now() - KEPT))
        .execute(connection)
        .await?;
    Ok(())
}

/// Stores the state and the notice of an act.
pub async fn set_state(
    connection: &mut SqliteConnection,
    id: &ActId,
    state: &ActState,
    notice: Option<&str>,
) -> Result<(), StoreError> {
    let ended_at = state.has_ended().then(|| time_text(Timestamp::now()));
    sqlx::query("UPDATE acts SET state = ?, notice = ?, ended_at = ? WHERE id = ?")
        .bind(to_json(state)?)
        .bind(notice)
        .bind(ended_at)
        .bind(id.as_str())
        .execute(connection)
        .await?;
    Ok(())
}

/// Whether a statement was presented before.
pub async fn is_used(
    connection: &mut SqliteConnection,
    statement: &Sha256Digest,
) -> Result<bool, StoreError> {
    let found: Option<i64> = sqlx::query_scalar("SELECT 1 FROM act_signatures WHERE statement = ?")
        .bind(statement.to_string())
        .fetch_optional(connection)
        .await?;
    Ok(found.is_some())
}

pub async fn insert_signature(
    connection: &mut SqliteConnection,
    act: &ActId,
    signature: &ActSignature,
    statement: &Sha256Digest,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO act_signatures (statement, act, operator, key, at, counts) VALUES (?, ?, ?, ?, ?, 1)",
    )
    .bind(statement.to_string())
    .bind(act.as_str())
    .bind(signature.person.id.as_str())
    .bind(signature.key.to_hex())
    .bind(time_text(signature.at))
    .execute(connection)
    .await?;
    Ok(())
}

/// Marks a signature as one that does not count. Its statement stays used.
pub async fn void_signature(
    connection: &mut SqliteConnection,
    statement: &Sha256Digest,
) -> Result<(), StoreError> {
    sqlx::query("UPDATE act_signatures SET counts = 0 WHERE statement = ?")
        .bind(statement.to_string())
        .execute(connection)
        .await?;
    Ok(())
}
