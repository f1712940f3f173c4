//! Identifies the caller of a request by its session, API token or client certificate.

use std::time::Instant;

use axum::{
    extract::{ConnectInfo, FromRequestParts},
    http::{HeaderMap, header, request::Parts},
};
use countersign_protocol::{
    Timestamp, digest::Sha256Digest, id::OperatorId, operator::Role, problem::ProblemCode,
};
use serde::{Deserialize, Serialize};
use tower_sessions::Session;

use super::{
    Caller, Credential,
    caller_cache::{CacheKey, CallerCache},
    session_store::{LONGEST, SessionStore},
};
use crate::{
    http::{self, connection::Peer, problem::ApiError},
    people::People,
    tls::ClientCertificate,
    tokens::Tokens,
};

/// Name under which a session stores the operator.
const OPERATOR: &str = "operator";

/// The content of a session.
#[derive(Serialize, Deserialize)]
struct LoggedIn {
    operator: OperatorId,
    since: Timestamp,
}

/// Looks up callers. Clones share the same state.
#[derive(Clone)]
pub struct Authenticator {
    people: People,
    tokens: Tokens,
    sessions: SessionStore,
    cache: CallerCache,
    /// Whether browsers reach the portal over TLS.
    https: bool,
}

impl Authenticator {
    pub fn new(people: People, tokens: Tokens, sessions: SessionStore, https: bool) -> Self {
        Self {
            people,
            tokens,
            sessions,
            cache: CallerCache::default(),
            https,
        }
    }

    pub fn sessions(&self) -> &SessionStore {
        &self.sessions
    }

    /// Whether browsers reach the portal over TLS.
    pub fn is_https(&self) -> bool {
        self.https
    }

    pub fn people(&self) -> &People {
        &self.people
    }

    /// Looks up the caller of a request. Does not extend the session.
    ///
    /// # Errors
    /// `not-authenticated`: the credential is missing, unknown, expired or revoked.
    pub async fn look_up(&self, parts: &mut Parts) -> Result<Caller, ApiError> {
        match Credential::of(&parts.headers, &parts.extensions, self.https) {
            Credential::Authorization => return self.by_secret(&parts.headers).await,
            Credential::Certificate(certificate) => return self.by_certificate(&certificate).await,
            Credential::Session => {}
        }
        let session = Session::from_request_parts(parts, &())
            .await
            .map_err(|(_, why)| ApiError::internal(why))?;
        let logged_in: LoggedIn = session
            .get(OPERATOR)
            .await
            .map_err(ApiError::internal)?
            .ok_or_else(not_authenticated)?;
        let age = Timestamp::now().duration_since(logged_in.since);
        if age.as_secs() >= LONGEST.whole_seconds() {
            session.flush().await.map_err(ApiError::internal)?;
            return Err(not_authenticated());
        }
        let view = self
            .people
            .session(&logged_in.operator)
            .await?
            .ok_or_else(not_authenticated)?;
        Ok(Caller::Session(view))
    }

    /// Identifies the caller of a new request, names them in the log, and extends their session.
    ///
    /// # Errors
    /// As [`Self::look_up`].
    pub async fn identify(&self, parts: &mut Parts) -> Result<Identified, ApiError> {
        // Taken before the look-up, so that a change during the look-up is noticed next time.
        let (generation, since) = (self.people.generation(), Instant::now());
        let caller = self.look_up(parts).await?;
        if let Some(ConnectInfo(peer)) = parts.extensions.get::<ConnectInfo<Peer>>() {
            peer.keep_connection();
        }
        let span = tracing::Span::current();
        span.record("person", caller.person().name.as_str());
        if let Caller::Token { token, .. } = &caller {
            span.record("token", tracing::field::display(token));
        }
        let session = parts.extensions.get::<Session>();
        if let (Caller::Session(_), Some(session)) = (&caller, session) {
            self.sessions.used(session).await?;
        }
        Ok(Identified {
            caller,
            generation,
            since,
        })
    }

    async fn by_secret(&self, headers: &HeaderMap) -> Result<Caller, ApiError> {
        let refused = || {
            ApiError::new(
                ProblemCode::NotAuthenticated,
                "the API token is unknown, expired or revoked: create a new one in the portal",
            )
        };
        let mut values = headers.get_all(header::AUTHORIZATION).iter();
        let (value, another) = (values.next(), values.next());
        if another.is_some() {
            return Err(ApiError::new(
                ProblemCode::NotAuthenticated,
                "the request has several Authorization headers: send one, as in `Authorization: Bearer TOKEN`",
            ));
        }
        // The name of the scheme is not case-sensitive (RFC 9110).
        let secret = value
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
            .ok_or_else(refused)?
            .1
            .trim();
        let by = CacheKey::Secret(Sha256Digest::of(secret.as_bytes()));
        self.by_token(by).await?.ok_or_else(refused)
    }

    async fn by_certificate(&self, certificate: &ClientCertificate) -> Result<Caller, ApiError> {
        let refused = |why: String| ApiError::new(ProblemCode::NotAuthenticated, why);
        certificate
            .check(Timestamp::now())
            .map_err(|why| refused(format!("client certificate rejected: {why}")))?;
        let by = CacheKey::Certificate(certificate.fingerprint);
        self.by_token(by).await?.ok_or_else(|| {
        refused(format!(
            "no valid API token belongs to your client certificate (SHA-256 {}): create one in the portal with this \
             certificate",
            certificate.fingerprint
        ))
    })
    }

    async fn by_token(&self, by: CacheKey) -> Result<Option<Caller>, ApiError> {
        // A build sends many requests per second. Each change of a person or token invalidates the cache.
        if let Some(caller) = self.cache.known(self.people.generation(), by) {
            return Ok(Some(caller));
        }
        let generation = self.people.generation();
        let token = match by {
            CacheKey::Secret(hash) => self.tokens.by_secret(&hash).await?,
            CacheKey::Certificate(fingerprint) => self.tokens.by_certificate(&fingerprint).await?,
        };
        let Some(token) = token else { return Ok(None) };
        let Some(mut session) = self.people.session(&token.owner.id).await? else {
            return Ok(None);
        };
        session.key = None;
        session.roles.retain(|role| *role == Role::Requester);
        let caller = Caller::Token {
            session,
            token: token.id,
            keys: token.keys,
        };
        self.cache
            .remember(by, generation, token.expires_at, &caller);
        Ok(Some(caller))
    }
}

/// A caller who was looked up for the request at hand.
#[derive(Clone)]
pub struct Identified {
    pub caller: Caller,
    /// Number of changes of people and tokens before the look-up.
    pub generation: u64,
    /// Time of the look-up.
    pub since: Instant,
}

impl Identified {
    /// Takes the caller whom the check of access has put into the request.
    pub fn take(parts: &mut Parts) -> Result<Self, ApiError> {
        parts.extensions.remove().ok_or_else(|| {
            ApiError::internal("the route is open to anyone but its handler needs a caller")
        })
    }
}

impl FromRequestParts<http::State> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &http::State) -> Result<Self, ApiError> {
        Identified::take(parts).map(|identified| identified.caller)
    }
}

/// The error for a request without a valid session.
pub fn not_authenticated() -> ApiError {
    ApiError::new(
        ProblemCode::NotAuthenticated,
        "the request carries no valid session or API token: log in to the portal, or send a token as in `Authorization: Bearer TOKEN`",
    )
}

/// Begins a session for this operator.
pub async fn begin_session(session: &Session, operator: &OperatorId) -> Result<(), ApiError> {
    // A session id that existed before the log-in may be known to an attacker, so it is replaced.
    session.cycle_id().await.map_err(ApiError::internal)?;
    let logged_in = LoggedIn {
        operator: operator.clone(),
        since: Timestamp::now(),
    };
    session
        .insert(OPERATOR, logged_in)
        .await
        .map_err(ApiError::internal)
}
