//! API tokens: for programs that ask for signatures, and for nothing else.

use countersign_protocol::{
    Timestamp,
    audit::{Actor, AuditEvent},
    event::Event,
    id::TokenId,
    manifest::readable,
    operator::Person,
    token::{CreatedToken, NewToken, TokenView},
};
use jiff::SignedDuration;
use sha2::{Digest, Sha256};

use crate::{
    app::App,
    code::{self, NoRandomness},
    store::{self, StoreError},
};

/// Beginning of every token, so that scanners for leaked secrets find it.
const PREFIX: &str = "cst_";
/// How often a use is remembered.
const TOUCH: SignedDuration = SignedDuration::from_mins(1);

/// Why nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// Input.
    #[error("{0}")]
    Invalid(&'static str),
    /// No such token, or somebody else's.
    #[error("there is no such token of yours")]
    NotFound,
    /// Database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Random numbers.
    #[error(transparent)]
    Random(#[from] NoRandomness),
}

fn hash(secret: &str) -> Vec<u8> {
    Sha256::digest(secret).to_vec()
}

/// Makes a token; its secret is shown once.
///
/// # Errors
/// [`TokenError`].
pub async fn create(
    app: &App,
    owner: &Person,
    actor: &Actor,
    new: &NewToken,
) -> Result<CreatedToken, TokenError> {
    if !readable(&new.label) || new.label.len() > 100 {
        return Err(TokenError::Invalid(
            "say what the token is for, in up to 100 readable characters",
        ));
    }
    if !(1..=366).contains(&new.days) {
        return Err(TokenError::Invalid("a token lives 1 to 366 days"));
    }
    // 52 characters of 5 bits.
    let secret = format!("{PREFIX}{}", code::random(52)?);
    let now = Timestamp::now();
    let token = TokenView {
        id: TokenId::new(uuid::Uuid::now_v7().to_string()),
        label: new.label.clone(),
        owner: owner.clone(),
        keys: new.keys.clone(),
        created_at: now,
        expires_at: now + SignedDuration::from_hours(24 * i64::from(new.days)),
        last_used_at: None,
        revoked_at: None,
    };
    let mut tx = app.store.write().await?;
    store::tokens::insert(tx.connection(), &token, &hash(&secret)).await?;
    tx.audit(
        actor,
        AuditEvent::TokenCreated {
            token: token.id.clone(),
            label: token.label.clone(),
        },
    )
    .await?;
    tx.announce(Event::People);
    tx.commit().await?;
    Ok(CreatedToken { token, secret })
}

/// Withdraws a token.
///
/// # Errors
/// [`TokenError`].
pub async fn revoke(
    app: &App,
    person: &Person,
    any: bool,
    actor: &Actor,
    id: &TokenId,
) -> Result<(), TokenError> {
    let mut tx = app.store.write().await?;
    let token = store::tokens::by_id(tx.connection(), id)
        .await?
        .ok_or(TokenError::NotFound)?;
    if !any && token.owner.id != person.id {
        return Err(TokenError::NotFound);
    }
    store::tokens::revoke(tx.connection(), id).await?;
    tx.audit(actor, AuditEvent::TokenRevoked { token: id.clone() })
        .await?;
    tx.announce(Event::People);
    Ok(tx.commit().await?)
}

/// The token with this secret, if it works.
///
/// # Errors
/// [`StoreError`].
pub async fn find(app: &App, secret: &str) -> Result<Option<TokenView>, StoreError> {
    let mut connection = app.store.read().await?;
    let now = Timestamp::now();
    let token = store::tokens::by_hash(&mut connection, &hash(secret))
        .await?
        .filter(|token| token.revoked_at.is_none() && token.expires_at > now);
    if let Some(token) = &token
        && token
            .last_used_at
            .is_none_or(|last| now.duration_since(last) > TOUCH)
    {
        store::tokens::touch(&mut connection, &token.id).await?;
    }
    Ok(token)
}
