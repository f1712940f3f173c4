//! Who is calling. Authentication happens here and nowhere else.

use axum::{
    extract::{FromRequest, FromRequestParts, Request},
    http::{HeaderMap, header, request::Parts},
};
use countersign_protocol::{
    Timestamp,
    activation::ActivationTerms,
    audit::Actor,
    digest::Sha256Digest,
    id::{OperatorId, TokenId},
    operator::{Person, Role},
    problem::ProblemCode,
    session::SessionView,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use tower_sessions::Session;

use super::{callers::By, credential::Credential, problem::ApiError, session_life};
use crate::{activation::Requester, app::App, store, tls::ClientCertificate, token};

/// Key of the operator in a session.
const OPERATOR: &str = "operator";

/// What a session remembers.
#[derive(Serialize, Deserialize)]
struct LoggedIn {
    operator: OperatorId,
    since: Timestamp,
}

/// Somebody who may call.
#[derive(Clone, Debug)]
pub enum Caller {
    /// A person in the portal.
    Session(SessionView),
    /// A program with a token: requester, whatever else its owner is.
    Token {
        /// The owner.
        session: SessionView,
        /// The token.
        token: TokenId,
        /// Keys that it may ask for; empty: every key.
        keys: Vec<String>,
    },
}

impl Caller {
    fn view(&self) -> &SessionView {
        match self {
            Self::Session(session) | Self::Token { session, .. } => session,
        }
    }

    /// Who it is, or acts for.
    pub fn person(&self) -> &Person {
        &self.view().person
    }

    /// For the audit log.
    pub fn actor(&self) -> Actor {
        match self {
            Self::Session(session) => Actor::Operator {
                person: session.person.clone(),
            },
            Self::Token { session, token, .. } => Actor::Token {
                person: session.person.clone(),
                token: token.clone(),
            },
        }
    }

    /// Whether the caller has this role.
    pub fn is(&self, role: Role) -> bool {
        match self {
            Self::Session(session) => session.roles.contains(&role),
            Self::Token { session, .. } => role == Role::Requester && session.roles.contains(&role),
        }
    }

    /// Whether the caller sees other people's activations.
    pub fn sees_all(&self) -> bool {
        [Role::Admin, Role::Custodian, Role::Auditor]
            .into_iter()
            .any(|role| self.is(role))
    }

    /// Whether the caller sees an activation: requesters their own only, tokens for some keys only those of these keys.
    pub fn sees(&self, terms: &ActivationTerms) -> bool {
        let actor = self.actor();
        let own = terms.requester.id == self.person().id;
        self.sees_all() || (own && self.requester_as(&actor).may_use_all_of(&terms.purpose))
    }

    /// Refuses unless the caller has this role.
    ///
    /// # Errors
    /// `not-allowed`.
    pub fn require(&self, role: Role) -> Result<(), ApiError> {
        if self.is(role) {
            Ok(())
        } else {
            Err(ApiError::new(
                ProblemCode::NotAllowed,
                format!("only for people with the role `{role}`"),
            ))
        }
    }

    /// The caller as somebody who asks for signatures or keys; `actor` is [`Self::actor`].
    pub fn requester_as<'a>(&'a self, actor: &'a Actor) -> Requester<'a> {
        Requester {
            person: self.person(),
            actor,
            may_sign: self.is(Role::Requester),
            may_generate: self.is(Role::Admin),
            keys: match self {
                Self::Session(_) => &[],
                Self::Token { keys, .. } => keys,
            },
        }
    }

    /// As `GET /session` tells it.
    pub fn to_view(&self) -> SessionView {
        self.view().clone()
    }
}

impl Caller {
    /// Who makes a request, which is no use of a session yet.
    ///
    /// # Errors
    /// `not-authenticated`, and the database's.
    pub async fn look_up(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        match Credential::of(&parts.headers, &parts.extensions, app.config.is_https()) {
            Credential::Authorization => return by_secret(app, &parts.headers).await,
            Credential::Certificate(certificate) => return by_certificate(app, &certificate).await,
            Credential::Session => {}
        }
        let session = Session::from_request_parts(parts, app)
            .await
            .map_err(|(_, why)| ApiError::internal(why))?;
        let nobody = || ApiError::new(ProblemCode::NotAuthenticated, "log in first");
        let logged_in: LoggedIn = session
            .get(OPERATOR)
            .await
            .map_err(ApiError::internal)?
            .ok_or_else(nobody)?;
        let age = Timestamp::now().duration_since(logged_in.since);
        if age.as_secs() >= session_life::LONGEST.whole_seconds() {
            session.flush().await.map_err(ApiError::internal)?;
            return Err(nobody());
        }
        let view = operator_view(app, &logged_in.operator)
            .await?
            .ok_or_else(nobody)?;
        Ok(Self::Session(view))
    }
}

impl FromRequestParts<App> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let caller = Self::look_up(parts, app).await?;
        if let (Self::Session(_), Some(session)) = (&caller, parts.extensions.get::<Session>()) {
            session_life::used(app, session).await?;
        }
        Ok(caller)
    }
}

async fn by_secret(app: &App, headers: &HeaderMap) -> Result<Caller, ApiError> {
    let refused = || {
        ApiError::new(
            ProblemCode::NotAuthenticated,
            "the API token is unknown, expired or revoked: make a new one in the portal",
        )
    };
    let header = headers.get(header::AUTHORIZATION);
    let secret = header
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Bearer "))
        .ok_or_else(refused)?
        .trim();
    let by = By::Secret(Sha256Digest::of(secret.as_bytes()));
    by_token(app, by).await?.ok_or_else(refused)
}

async fn by_certificate(app: &App, certificate: &ClientCertificate) -> Result<Caller, ApiError> {
    let refused = |why: String| ApiError::new(ProblemCode::NotAuthenticated, why);
    certificate
        .check(Timestamp::now())
        .map_err(|why| refused(format!("your client certificate counts for nothing: {why}")))?;
    let by = By::Certificate(certificate.fingerprint);
    by_token(app, by).await?.ok_or_else(|| {
        refused(format!(
            "no usable API token belongs to your client certificate (SHA-256 {}): make one in the portal, with this \
             certificate",
            certificate.fingerprint
        ))
    })
}

async fn by_token(app: &App, by: By) -> Result<Option<Caller>, ApiError> {
    // A build asks many times a second; whatever changes a person or a token makes this forget.
    if let Some(caller) = app.callers.known(&app.store, by) {
        return Ok(Some(caller));
    }
    let generation = app.store.people_generation();
    let token = match by {
        By::Secret(hash) => token::by_secret(app, &hash).await?,
        By::Certificate(fingerprint) => token::by_certificate(app, &fingerprint).await?,
    };
    let Some(token) = token else { return Ok(None) };
    let Some(mut session) = operator_view(app, &token.owner.id).await? else {
        return Ok(None);
    };
    session.key = None;
    session.roles.retain(|role| *role == Role::Requester);
    let caller = Caller::Token {
        session,
        token: token.id,
        keys: token.keys,
    };
    app.callers
        .remember(by, generation, token.expires_at, &caller);
    Ok(Some(caller))
}

/// The operator, if the key still works.
async fn operator_view(app: &App, id: &OperatorId) -> Result<Option<SessionView>, ApiError> {
    let mut connection = app.store.read().await?;
    let operator = store::operators::by_id(&mut connection, id).await?;
    Ok(operator
        .filter(store::operators::Operator::is_confirmed)
        .map(|operator| SessionView {
            person: operator.view.person,
            roles: operator.view.roles,
            key: Some(operator.view.key.fingerprint),
        }))
}

/// Begins a session.
///
/// # Errors
/// The session store's.
pub async fn begin_session(session: &Session, operator: &OperatorId) -> Result<(), ApiError> {
    // A session id from before the log-in must not become a logged-in one.
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

/// A JSON body; what does not parse is a problem, too.
pub struct Json<T>(pub T);

impl<T: DeserializeOwned> FromRequest<App> for Json<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, app: &App) -> Result<Self, ApiError> {
        let axum::Json(value) = axum::Json::<T>::from_request(request, app).await?;
        Ok(Self(value))
    }
}

/// Query parameters; what does not parse is a problem, too.
pub struct Query<T>(pub T);

impl<T: DeserializeOwned> FromRequestParts<App> for Query<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let axum::extract::Query(value) =
            axum::extract::Query::<T>::from_request_parts(parts, app).await?;
        Ok(Self(value))
    }
}

/// Parameters of the path; what does not parse is a problem, too.
pub struct Path<T>(pub T);

impl<T: DeserializeOwned + Send> FromRequestParts<App> for Path<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let axum::extract::Path(value) =
            axum::extract::Path::<T>::from_request_parts(parts, app).await?;
        Ok(Self(value))
    }
}
