//! Activations and custodians' answers.

use countersign_protocol::{
    activation::{ActivationState, ActivationTerms, Answer},
    cvc::Fingerprint,
    digest::Sha256Digest,
    dsse::Envelope,
    id::{ActivationId, HsmId, OperatorId},
};
use sqlx::{Row, SqliteConnection, sqlite::SqliteRow};

use super::{StoreError, from_json, from_text, to_json};

/// Ids that are read at once.
const PAGE: u32 = 200;

/// Tells by its terms whether an activation is wanted.
pub type Wanted<'a> = &'a (dyn Fn(&ActivationTerms) -> bool + Sync);

/// An activation as stored.
#[derive(Clone, Debug)]
pub struct Activation {
    /// What was asked for; never changes.
    pub terms: ActivationTerms,
    /// Digest of purpose and reason: who asks for the same joins.
    pub scope: Sha256Digest,
    /// Where it stands.
    pub state: ActivationState,
    /// Whether a lease began.
    pub was_open: bool,
    /// The card's count.
    pub authenticated: u8,
    /// Something that people must know.
    pub notice: Option<String>,
    /// Grows with every change.
    pub revision: u64,
    /// After how many seconds without its requester it is withdrawn before it is open; `None`: never.
    pub abandoned_after: Option<u32>,
}

/// A custodian's answer, with the signed statement if they approved.
#[derive(Clone, Debug)]
pub struct StoredAnswer {
    /// The custodian's key.
    pub key: Fingerprint,
    /// The answer.
    pub answer: Answer,
    /// The approval.
    pub statement: Option<Envelope>,
}

/// Which activations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// Not ended.
    Active,
    /// Ended.
    Ended,
    /// All.
    All,
}

fn read(row: &SqliteRow) -> Result<Activation, StoreError> {
    let scope: &[u8] = row.get("scope");
    Ok(Activation {
        terms: from_json(row.get("terms"))?,
        scope: Sha256Digest(
            scope
                .try_into()
                .map_err(|_| StoreError::Unreadable("a scope is not 32 bytes".into()))?,
        ),
        state: from_json(row.get("state"))?,
        was_open: row.get("was_open"),
        authenticated: row.get("authenticated"),
        notice: row.get("notice"),
        revision: number(row.get("revision"))?,
        abandoned_after: row.get("abandoned_after"),
    })
}

fn number(value: i64) -> Result<u64, StoreError> {
    u64::try_from(value).map_err(|error| StoreError::Unreadable(error.to_string()))
}

/// Stores a new activation.
///
/// # Errors
/// [`StoreError`].
pub async fn insert(
    connection: &mut SqliteConnection,
    activation: &Activation,
) -> Result<(), StoreError> {
    let terms = &activation.terms;
    sqlx::query(
        "INSERT INTO activations
         (id, pool, sequence, hsm, requester, terms, scope, state, ended, authenticated, notice, abandoned_after,
          revision)
         VALUES (?, ?, (SELECT COALESCE(MAX(sequence), 0) + 1 FROM activations), ?, ?, ?, ?, ?, ?, ?, ?, ?, 1)",
    )
    .bind(terms.id.as_str())
    .bind(terms.id.activation().as_str())
    .bind(terms.hsm.id.as_str())
    .bind(terms.requester.id.as_str())
    .bind(to_json(terms)?)
    .bind(activation.scope.as_bytes().as_slice())
    .bind(to_json(&activation.state)?)
    .bind(activation.state.is_ended())
    .bind(activation.authenticated)
    .bind(&activation.notice)
    .bind(activation.abandoned_after)
    .execute(connection)
    .await?;
    Ok(())
}

/// Stores how long the requester of an activation may be out of reach, on however many HSMs.
///
/// # Errors
/// [`StoreError`].
pub async fn set_abandoned_after(
    connection: &mut SqliteConnection,
    id: &ActivationId,
    seconds: Option<u32>,
) -> Result<(), StoreError> {
    sqlx::query("UPDATE activations SET abandoned_after = ? WHERE pool = ?")
        .bind(seconds)
        .bind(id.activation().as_str())
        .execute(connection)
        .await?;
    Ok(())
}

/// Stores what can change of an activation, and raises its revision.
///
/// # Errors
/// [`StoreError`].
pub async fn update(
    connection: &mut SqliteConnection,
    activation: &Activation,
) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE activations SET state = ?, ended = ?, was_open = ?, authenticated = ?, notice = ?, revision = revision + 1
         WHERE id = ?",
    )
    .bind(to_json(&activation.state)?)
    .bind(activation.state.is_ended())
    .bind(activation.was_open)
    .bind(activation.authenticated)
    .bind(&activation.notice)
    .bind(activation.terms.id.as_str())
    .execute(connection)
    .await?;
    Ok(())
}

/// The activation with this id.
///
/// # Errors
/// [`StoreError`].
pub async fn by_id(
    connection: &mut SqliteConnection,
    id: &ActivationId,
) -> Result<Option<Activation>, StoreError> {
    let row = sqlx::query("SELECT * FROM activations WHERE id = ?")
        .bind(id.as_str())
        .fetch_optional(connection)
        .await?;
    row.as_ref().map(read).transpose()
}

/// Activations of an HSM that have not ended, oldest first.
///
/// # Errors
/// [`StoreError`].
pub async fn active_of(
    connection: &mut SqliteConnection,
    hsm: &HsmId,
) -> Result<Vec<Activation>, StoreError> {
    let rows =
        sqlx::query("SELECT * FROM activations WHERE hsm = ? AND ended = 0 ORDER BY sequence")
            .bind(hsm.as_str())
            .fetch_all(connection)
            .await?;
    rows.iter().map(read).collect()
}

/// What is stored of an activation for each of its HSMs, in the order of its pool.
///
/// # Errors
/// [`StoreError`].
pub async fn members(
    connection: &mut SqliteConnection,
    id: &ActivationId,
) -> Result<Vec<Activation>, StoreError> {
    let rows = sqlx::query("SELECT * FROM activations WHERE pool = ? ORDER BY sequence")
        .bind(id.activation().as_str())
        .fetch_all(connection)
        .await?;
    rows.iter().map(read).collect()
}

/// Ids of the newest activations that are wanted (all, if nothing tells), newest first; of one requester only, if one is
/// named. A pool is one, and ends with its last HSM.
///
/// # Errors
/// [`StoreError`].
pub async fn newest(
    connection: &mut SqliteConnection,
    which: Which,
    requester: Option<&OperatorId>,
    limit: usize,
    wanted: Option<Wanted<'_>>,
) -> Result<Vec<ActivationId>, StoreError> {
    let mut found = Vec::new();
    let mut before = i64::MAX;
    loop {
        let rows = sqlx::query(
            "SELECT sequence, id FROM activations a
             WHERE pool = id AND (?2 IS NULL OR requester = ?2) AND sequence < ?3
             AND (?1 IS NULL OR ?1 = NOT EXISTS (SELECT 1 FROM activations m WHERE m.pool = a.id AND m.ended = 0))
             ORDER BY sequence DESC LIMIT ?4",
        )
        .bind(match which {
            Which::Active => Some(false),
            Which::Ended => Some(true),
            Which::All => None,
        })
        .bind(requester.map(OperatorId::as_str))
        .bind(before)
        .bind(PAGE)
        .fetch_all(&mut *connection)
        .await?;
        let Some(last) = rows.last() else {
            return Ok(found);
        };
        before = last.get("sequence");
        for row in &rows {
            let id = ActivationId::new(row.get::<&str, _>("id"));
            let is_wanted = match wanted {
                Some(wanted) => wanted(&terms(&mut *connection, &id).await?),
                None => true,
            };
            if is_wanted {
                found.push(id);
            }
            if found.len() == limit {
                return Ok(found);
            }
        }
    }
}

/// One activation's: manifests can be so large that only one is held at a time.
async fn terms(
    connection: &mut SqliteConnection,
    id: &ActivationId,
) -> Result<ActivationTerms, StoreError> {
    let row = sqlx::query("SELECT terms FROM activations WHERE id = ?")
        .bind(id.as_str())
        .fetch_one(connection)
        .await?;
    from_json(row.get("terms"))
}

/// Answers to an activation.
///
/// # Errors
/// [`StoreError`].
pub async fn answers(
    connection: &mut SqliteConnection,
    id: &ActivationId,
) -> Result<Vec<StoredAnswer>, StoreError> {
    let rows = sqlx::query("SELECT * FROM answers WHERE activation = ? ORDER BY fingerprint")
        .bind(id.as_str())
        .fetch_all(connection)
        .await?;
    rows.iter()
        .map(|row| {
            Ok(StoredAnswer {
                key: from_text(row.get("fingerprint"))?,
                answer: from_json(row.get("answer"))?,
                statement: row
                    .get::<Option<&str>, _>("statement")
                    .map(from_json)
                    .transpose()?,
            })
        })
        .collect()
}

/// Stores an answer in the place of an earlier one.
///
/// # Errors
/// [`StoreError`].
pub async fn put_answer(
    connection: &mut SqliteConnection,
    id: &ActivationId,
    answer: &StoredAnswer,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO answers (activation, fingerprint, answer, statement) VALUES (?, ?, ?, ?)
         ON CONFLICT (activation, fingerprint)
         DO UPDATE SET answer = excluded.answer, statement = excluded.statement",
    )
    .bind(id.as_str())
    .bind(answer.key.to_hex())
    .bind(to_json(&answer.answer)?)
    .bind(answer.statement.as_ref().map(to_json).transpose()?)
    .execute(connection)
    .await?;
    Ok(())
}
