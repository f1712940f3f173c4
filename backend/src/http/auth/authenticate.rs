//! Identifies the caller of a request by its session, API token or client certificate.

use std::time::Instant;

use axum::{
    extract::{ConnectInfo, FromRequestParts},
    http::{HeaderMap, HeaderValue, header, request::Parts},
};
use countersign_protocol::{Timestamp, digest::Sha256Digest, operator::Role, problem::ProblemCode};

use super::{
    Caller, Credential, browser,
    caller_cache::{CacheKey, CallerCache},
    cookie,
};
use crate::{
    http::{self, connection::Peer, problem::ApiError},
    people::{LiveSession, People},
    tls::ClientCertificate,
    tokens::Tokens,
};

/// Looks up callers. Clones share the same state.
#[derive(Clone)]
pub struct Authenticator {
    people: People,
    tokens: Tokens,
    cache: CallerCache,
    /// Whether browsers reach the portal over TLS.
    https: bool,
}

impl Authenticator {
    pub fn new(people: People, tokens: Tokens, https: bool) -> Self {
        Self {
            people,
            tokens,
            cache: CallerCache::default(),
            https,
        }
    }

    pub fn people(&self) -> &People {
        &self.people
    }

    /// Whether browsers reach the portal over TLS.
    pub fn is_https(&self) -> bool {
        self.https
    }

    /// Looks up a caller again, who was identified by this request. Does not extend the session.
    ///
    /// # Errors
    /// `not-authenticated`: the credential is missing, unknown, expired or revoked.
    pub async fn look_up_again(&self, caller: &Caller, parts: &Parts) -> Result<Caller, ApiError> {
        match caller {
            // The secret that the request carried may have been replaced in the meantime.
            Caller::Session { id, .. } => {
                let session = self.people.session_by_id(id).await?;
                let session = session.ok_or_else(not_authenticated)?;
                let id = id.clone();
                Ok(Caller::Session { session, id })
            }
            Caller::Token { .. } => {
                match Credential::of(&parts.headers, &parts.extensions, self.https) {
                    Credential::Authorization => self.by_secret(&parts.headers).await,
                    Credential::Certificate(certificate) => self.by_certificate(&certificate).await,
                    Credential::Session => Err(not_authenticated()),
                }
            }
        }
    }

    async fn look_up(&self, parts: &Parts) -> Result<(Caller, Option<LiveSession>), ApiError> {
        let caller = match Credential::of(&parts.headers, &parts.extensions, self.https) {
            Credential::Authorization => self.by_secret(&parts.headers).await?,
            Credential::Certificate(certificate) => self.by_certificate(&certificate).await?,
            Credential::Session => {
                let secret = cookie::secret(&parts.headers, self.https);
                let secret = secret.ok_or_else(not_authenticated)?;
                let live = self.people.session_by_secret(&secret).await?;
                let live = live.ok_or_else(not_authenticated)?;
                let caller = Caller::Session {
                    session: live.view.clone(),
                    id: live.id.clone(),
                };
                return Ok((caller, Some(live)));
            }
        };
        Ok((caller, None))
    }

    /// Identifies the caller of a new request, names them in the log, and extends their session.
    ///
    /// # Errors
    /// `not-authenticated`: the credential is missing, unknown, expired or revoked.
    pub async fn identify(&self, parts: &mut Parts) -> Result<Identified, ApiError> {
        // Taken before the look-up, so that a change during the look-up is noticed next time.
        let (generation, since) = (self.people.generation(), Instant::now());
        let (caller, session) = self.look_up(parts).await?;
        if let Some(ConnectInfo(peer)) = parts.extensions.get::<ConnectInfo<Peer>>() {
            peer.keep_connection();
        }
        let span = tracing::Span::current();
        span.record("person", caller.person().name.as_str());
        if let Caller::Token { token, .. } = &caller {
            span.record("token", tracing::field::display(token));
        }
        if let Some(session) = &session {
            self.people
                .note_use(session, browser::address(&parts.extensions));
        }
        Ok(Identified {
            caller,
            session,
            generation,
            since,
        })
    }

    /// The cookie with a new secret for the session of a request that was answered, if it needs one. A failure costs nothing, because
    /// the browser keeps its secret.
    pub async fn renewed_cookie(&self, session: &LiveSession) -> Option<HeaderValue> {
        match self.people.new_secret(session).await {
            Ok(new) => cookie::set(&new?, self.https).ok(),
            Err(error) => {
                tracing::warn!(%error, "a session could not be given a new secret");
                None
            }
        }
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
    /// The session, if the caller is a person.
    pub session: Option<LiveSession>,
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
