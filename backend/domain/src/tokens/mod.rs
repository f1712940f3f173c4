//! API tokens, with which programs request signatures. A token allows nothing else.

mod error;

pub use error::TokenError;

use countersign_protocol::{
    Timestamp,
    audit::{Actor, AuditEvent},
    digest::Sha256Digest,
    id::TokenId,
    limits,
    operator::Person,
    text,
    token::{CreatedToken, NewToken, TokenCertificate, TokenView},
};
use jiff::SignedDuration;
use sqlx::SqliteConnection;

use crate::{
    events::Change,
    mandate::Mandate,
    random,
    store::{self, Store, StoreError, WriteTx},
};

/// Prefix of every token, so that scanners for leaked secrets recognise it.
const PREFIX: &str = "cst_";
/// Shortest time between two updates of `last_used_at`.
const TOUCH: SignedDuration = SignedDuration::from_mins(1);

/// Creates, revokes and looks up API tokens. Clones share the same state.
#[derive(Clone)]
pub struct Tokens {
    store: Store,
}

impl Tokens {
    pub fn new(store: Store) -> Self {
        Self { store }
    }

    /// Creates a token in a transaction, for the person who signed the act. Only this answer carries the secret, because the server
    /// stores its hash.
    pub async fn create(
        &self,
        tx: &mut WriteTx,
        mandate: &Mandate,
        new: &NewToken,
        certificate: Option<TokenCertificate>,
    ) -> Result<CreatedToken, TokenError> {
        check(new)?;
        let now = Timestamp::now();
        // 52 characters with 5 bits each: 260 bits.
        let secret = format!("{PREFIX}{}", random::random(52)?);
        let token = TokenView {
            id: TokenId::new(uuid::Uuid::now_v7().to_string()),
            label: new.label.clone(),
            owner: mandate.person().clone(),
            keys: new.keys.clone(),
            certificate,
            created_at: now,
            expires_at: now + SignedDuration::from_hours(24 * i64::from(new.days)),
            last_used_at: None,
            revoked_at: None,
        };
        if let Some(certificate) = &token.certificate {
            let taken = store::tokens::by_certificate(tx.connection(), &certificate.fingerprint);
            if taken.await?.is_some() {
                return Err(TokenError::CertificateTaken);
            }
        }
        let hash = Sha256Digest::of(secret.as_bytes());
        store::tokens::insert(tx.connection(), &token, &hash).await?;
        tx.audit(
            &mandate.actor(),
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
        tx.changed(Change::People);
        Ok(CreatedToken { token, secret })
    }

    /// Revokes a token of this person, or any token if `any` is set, as it is for admins.
    pub async fn revoke(
        &self,
        person: &Person,
        any: bool,
        actor: &Actor,
        id: &TokenId,
    ) -> Result<(), TokenError> {
        let mut tx = self.store.write().await?;
        let token = store::tokens::by_id(tx.connection(), id)
            .await?
            .ok_or(TokenError::NotFound)?;
        if !any && token.owner.id != person.id {
            return Err(TokenError::NotFound);
        }
        if token.revoked_at.is_some() {
            return Ok(());
        }
        store::tokens::revoke(tx.connection(), id).await?;
        tx.audit(actor, AuditEvent::TokenRevoked { token: id.clone() })
            .await?;
        tx.changed(Change::People);
        Ok(tx.commit().await?)
    }

    /// The token whose secret has this hash, unless it expired or was revoked.
    pub async fn by_secret(&self, hash: &Sha256Digest) -> Result<Option<TokenView>, StoreError> {
        let mut connection = self.store.read().await?;
        let token = store::tokens::by_hash(&mut connection, hash).await?;
        usable(&mut connection, token).await
    }

    /// The token to which this certificate is bound, unless it expired or was revoked.
    pub async fn by_certificate(
        &self,
        fingerprint: &Sha256Digest,
    ) -> Result<Option<TokenView>, StoreError> {
        let mut connection = self.store.read().await?;
        let token = store::tokens::by_certificate(&mut connection, fingerprint).await?;
        usable(&mut connection, token).await
    }
}

/// Checks a proposed token.
pub(crate) fn check(new: &NewToken) -> Result<(), TokenError> {
    text::check_name(&new.label, limits::TOKEN_LABEL).map_err(TokenError::Label)?;
    if new.keys.len() > limits::MAX_TOKEN_KEYS {
        return Err(TokenError::TooManyKeys(new.keys.len()));
    }
    for key in &new.keys {
        text::check(key, limits::KEY_REFERENCE).map_err(TokenError::Key)?;
    }
    if limits::TOKEN_DAYS.contains(&new.days) {
        Ok(())
    } else {
        Err(TokenError::Lifetime)
    }
}

/// Filters out a token that expired or was revoked; otherwise records its use.
async fn usable(
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
