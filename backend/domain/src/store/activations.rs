//! Activations and custodians' decisions. An activation that may use several HSMs has a row, a *member*, for each of them.

use countersign_protocol::{
    activation::{ActivationState, ActivationTerms, Decision},
    cvc::Fingerprint,
    digest::Sha256Digest,
    dsse::Envelope,
    id::{ActivationId, HsmId, MemberId, OperatorId, TokenId},
};
use sqlx::{Row, SqliteConnection, sqlite::SqliteRow};

use super::{StoreError, from_json, from_text, to_json, unsigned};

/// Number of ids that [`newest`] reads at once.
const PAGE: u32 = 200;

/// Selects activations by their terms.
pub type Filter<'a> = &'a (dyn Fn(&ActivationTerms) -> bool + Sync);

/// One member of an activation, as it is stored.
#[derive(Clone, Debug)]
pub struct Activation {
    /// The terms of the request, which never change.
    pub terms: ActivationTerms,
    /// Digest of purpose and reason. A request with the same digest joins this activation.
    pub scope: Sha256Digest,
    pub state: ActivationState,
    /// Whether a lease opened.
    pub was_open: bool,
    /// Number of custodians that the HSM counts as authenticated.
    pub authenticated: u8,
    /// A message for everyone who sees the activation.
    pub notice: Option<String>,
    /// Grows with each change.
    pub revision: u64,
    /// The activation ends as abandoned if its requester is out of contact for this many seconds before it opens. `None`: it never
    /// does.
    pub abandoned_after: Option<u32>,
    /// The token that made the request; `None` if the person made it in the portal.
    pub token: Option<TokenId>,
}

/// A custodian's decision, with the signed statement if they approved.
#[derive(Clone, Debug)]
pub struct StoredDecision {
    pub key: Fingerprint,
    pub decision: Decision,
    pub statement: Option<Envelope>,
}

impl StoredDecision {
    pub fn is_approved(&self) -> bool {
        matches!(self.decision, Decision::Approved { .. })
    }
}

/// Selects activations by whether they have ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    Active,
    Ended,
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
        revision: unsigned(row.get("revision"))?,
        abandoned_after: row.get("abandoned_after"),
        token: row.get::<Option<String>, _>("token").map(TokenId::new),
    })
}

/// Stores a new member.
pub async fn insert(
    connection: &mut SqliteConnection,
    activation: &Activation,
) -> Result<(), StoreError> {
    let terms = &activation.terms;
    sqlx::query(
        "INSERT INTO activations
         (id, pool, sequence, place, hsm, requester, terms, scope, state, ended, authenticated, notice, abandoned_after,
          token, revision)
         VALUES (?, ?, (SELECT COALESCE(MAX(sequence), 0) + 1 FROM activations),
                 (SELECT COALESCE(MAX(place), 0) + 1 FROM activations), ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 1)",
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
    .bind(activation.token.as_ref().map(TokenId::as_str))
    .execute(connection)
    .await?;
    Ok(())
}

/// Sets [`Activation::abandoned_after`] in every member of an activation.
pub async fn set_abandoned_after(
    connection: &mut SqliteConnection,
    id: &ActivationId,
    seconds: Option<u32>,
) -> Result<(), StoreError> {
    sqlx::query("UPDATE activations SET abandoned_after = ? WHERE pool = ?")
        .bind(seconds)
        .bind(id.as_str())
        .execute(connection)
        .await?;
    Ok(())
}

/// Stores the fields of a member that can change, and raises its revision.
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

/// The member with this id. The first member of an activation has the activation's own id.
pub async fn by_id(
    connection: &mut SqliteConnection,
    id: &MemberId,
) -> Result<Option<Activation>, StoreError> {
    let row = sqlx::query("SELECT * FROM activations WHERE id = ?")
        .bind(id.as_str())
        .fetch_optional(connection)
        .await?;
    row.as_ref().map(read).transpose()
}

/// Size of terms as they are stored.
pub fn terms_bytes(terms: &ActivationTerms) -> Result<u64, StoreError> {
    Ok(to_json(terms)?.len() as u64)
}

/// Members on an HSM that have not ended, in the order of its queue.
pub async fn active_of(
    connection: &mut SqliteConnection,
    hsm: &HsmId,
) -> Result<Vec<Activation>, StoreError> {
    let rows = sqlx::query(
        "SELECT * FROM activations WHERE hsm = ? AND ended = 0 ORDER BY place, sequence",
    )
    .bind(hsm.as_str())
    .fetch_all(connection)
    .await?;
    rows.iter().map(read).collect()
}

/// The members of an activation, in the order of its HSMs.
pub async fn members(
    connection: &mut SqliteConnection,
    id: &ActivationId,
) -> Result<Vec<Activation>, StoreError> {
    let rows = sqlx::query("SELECT * FROM activations WHERE pool = ? ORDER BY sequence")
        .bind(id.as_str())
        .fetch_all(connection)
        .await?;
    rows.iter().map(read).collect()
}

/// Ids of the newest activations that `filter` accepts, newest first, and only those of `requester` if it is given. An activation on
/// several HSMs counts once, and has ended when its last member has.
pub async fn newest(
    connection: &mut SqliteConnection,
    which: Which,
    requester: Option<&OperatorId>,
    limit: usize,
    filter: Option<Filter<'_>>,
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
            let accepted = match filter {
                Some(filter) => filter(&terms(&mut *connection, &id.member(0)).await?),
                None => true,
            };
            if accepted {
                found.push(id);
            }
            if found.len() == limit {
                return Ok(found);
            }
        }
    }
}

/// Reads the terms of one member. Manifests can be large, so only one is held in memory at a time.
async fn terms(
    connection: &mut SqliteConnection,
    id: &MemberId,
) -> Result<ActivationTerms, StoreError> {
    let row = sqlx::query("SELECT terms FROM activations WHERE id = ?")
        .bind(id.as_str())
        .fetch_one(connection)
        .await?;
    from_json(row.get("terms"))
}

/// Custodians' decisions to a member.
pub async fn decisions(
    connection: &mut SqliteConnection,
    id: &MemberId,
) -> Result<Vec<StoredDecision>, StoreError> {
    let rows = sqlx::query("SELECT * FROM answers WHERE activation = ? ORDER BY fingerprint")
        .bind(id.as_str())
        .fetch_all(connection)
        .await?;
    rows.iter()
        .map(|row| {
            Ok(StoredDecision {
                key: from_text(row.get("fingerprint"))?,
                decision: from_json(row.get("answer"))?,
                statement: row
                    .get::<Option<&str>, _>("statement")
                    .map(from_json)
                    .transpose()?,
            })
        })
        .collect()
}

/// Stores a custodian's decision in place of an earlier one.
pub async fn put_decision(
    connection: &mut SqliteConnection,
    id: &MemberId,
    decision: &StoredDecision,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO answers (activation, fingerprint, answer, statement) VALUES (?, ?, ?, ?)
         ON CONFLICT (activation, fingerprint)
         DO UPDATE SET answer = excluded.answer, statement = excluded.statement",
    )
    .bind(id.as_str())
    .bind(decision.key.to_hex())
    .bind(to_json(&decision.decision)?)
    .bind(decision.statement.as_ref().map(to_json).transpose()?)
    .execute(connection)
    .await?;
    Ok(())
}
