//! API tokens: for programs that ask for signatures, and for nothing else.

use countersign_protocol::{
    Timestamp,
    audit::{Actor, AuditEvent},
    digest::Sha256Digest,
    event::Event,
    id::TokenId,
    limits,
    operator::Person,
    text,
    token::{CreatedToken, NewToken, TokenCertificate, TokenView},
};
use jiff::SignedDuration;
use sqlx::SqliteConnection;

use crate::{
    app::App,
    code::{self, NoRandomness},
    store::{self, StoreError},
    tls::{ClientCertificate, Unusable},
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
    Invalid(String),
    /// No such token, or somebody else's.
    #[error("there is no such token of yours")]
    NotFound,
    /// A client certificate that cannot be taken.
    #[error("{0}")]
    Certificate(#[from] Unusable),
    /// Whose certificate would it be?
    #[error(
        "another token is bound to this certificate: revoke that first; an admin sees whose it is"
    )]
    CertificateTaken,
    /// Database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Random numbers.
    #[error(transparent)]
    Random(#[from] NoRandomness),
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
    text::check(&new.label, limits::TOKEN_LABEL)
        .map_err(|why| TokenError::Invalid(format!("the token's label {why}")))?;
    if !limits::TOKEN_DAYS.contains(&new.days) {
        return Err(TokenError::Invalid(format!(
            "the token's lifetime must be {} to {} days",
            limits::TOKEN_DAYS.start(),
            limits::TOKEN_DAYS.end()
        )));
    }
    let now = Timestamp::now();
    let certificate = match &new.certificate {
        None => None,
        Some(pem) => {
            let certificate = ClientCertificate::from_pem(pem.as_bytes())?;
            certificate.check(now)?;
            Some(TokenCertificate {
                fingerprint: certificate.fingerprint,
                subject: certificate.subject,
                not_after: certificate.not_after,
            })
        }
    };
    // 52 characters of 5 bits.
    let secret = format!("{PREFIX}{}", code::random(52)?);
    let token = TokenView {
        id: TokenId::new(uuid::Uuid::now_v7().to_string()),
        label: new.label.clone(),
        owner: owner.clone(),
        keys: new.keys.clone(),
        certificate,
        created_at: now,
        expires_at: now + SignedDuration::from_hours(24 * i64::from(new.days)),
        last_used_at: None,
        revoked_at: None,
    };
    let mut tx = app.store.write().await?;
    if let Some(certificate) = &token.certificate {
        let taken = store::tokens::by_certificate(tx.connection(), &certificate.fingerprint);
        if taken.await?.is_some() {
            return Err(TokenError::CertificateTaken);
        }
    }
    let hash = Sha256Digest::of(secret.as_bytes());
    store::tokens::insert(tx.connection(), &token, &hash).await?;
    tx.audit(
        actor,
        AuditEvent::TokenCreated {
            token: token.id.clone(),
            label: token.label.clone(),
            certificate: token
                .certificate
                .as_ref()
                .map(|certificate| certificate.fingerprint),
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

/// The token whose secret has this hash, if it works.
///
/// # Errors
/// [`StoreError`].
pub async fn by_secret(app: &App, hash: &Sha256Digest) -> Result<Option<TokenView>, StoreError> {
    let mut connection = app.store.read().await?;
    let token = store::tokens::by_hash(&mut connection, hash).await?;
    used(&mut connection, token).await
}

/// The token for which this certificate stands, if it works.
///
/// # Errors
/// [`StoreError`].
pub async fn by_certificate(
    app: &App,
    fingerprint: &Sha256Digest,
) -> Result<Option<TokenView>, StoreError> {
    let mut connection = app.store.read().await?;
    let token = store::tokens::by_certificate(&mut connection, fingerprint).await?;
    used(&mut connection, token).await
}

async fn used(
    connection: &mut SqliteConnection,
    token: Option<TokenView>,
) -> Result<Option<TokenView>, StoreError> {
    let now = Timestamp::now();
    let token = token.filter(|token| token.revoked_at.is_none() && token.expires_at > now);
    if let Some(token) = &token
        && token
            .last_used_at
            .is_none_or(|last| now.duration_since(last) > TOUCH)
    {
        store::tokens::touch(connection, &token.id).await?;
    }
    Ok(token)
}
