//! Who may call which route below `/api/v1`. This is the only place where these routes are tied to roles.
//!
//! A handler may narrow this down further, such as to the requester of an activation. The cloud service's interface
//! (`http/cloud`) has one kind of caller for all its routes, and `http/ram.rs` accepts devices only.

use std::{
    net::{IpAddr, Ipv6Addr},
    num::NonZeroU32,
    sync::Arc,
    time::Duration,
};

use axum::{
    extract::{ConnectInfo, Request, State},
    http::{Method, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use countersign_protocol::{
    limits::MESSAGE_BYTES,
    operator::Role::{self, Admin, Auditor, Custodian, Requester},
    problem::ProblemCode,
    text::any_of,
};

use crate::{
    http::{
        auth::{Authenticator, Caller},
        body::Bodies,
        connection::Peer,
        problem::ApiError,
        refusals::CalledBy,
    },
    network::Network,
    throttle::Throttle,
};

/// The callers that a route accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Everyone. What the request does is protected by a one-time code or a signed statement, if it changes anything.
    Anyone,
    /// People who are logged in and programs with an API token, if they have one of these roles. A program has the role
    /// of a requester only.
    Callers(&'static [Role]),
    /// People who are logged in and have one of these roles.
    People(&'static [Role]),
}

use Access::{Anyone, Callers, People};

const ALL: &[Role] = &Role::ALL;
const ADMIN: Access = People(&[Admin]);
const SIGNERS: Access = People(&[Admin, Requester]);
const CUSTODIAN: Access = People(&[Custodian]);

/// Every route below `/api/v1` with its callers. The server does not start if a route is missing here.
pub const TABLE: &[(&str, &str, Access)] = &[
    ("GET", "/openapi.json", Anyone),
    ("GET", "/about", Anyone),
    ("POST", "/bootstrap", Anyone),
    ("POST", "/enrolment/open", Anyone),
    ("POST", "/enrolment", Anyone),
    ("POST", "/session/challenge", Anyone),
    ("POST", "/session", Anyone),
    ("GET", "/session", Callers(ALL)),
    ("DELETE", "/session", People(ALL)),
    // Everyone sees and ends their own sessions only.
    ("GET", "/sessions", People(ALL)),
    ("DELETE", "/sessions", People(ALL)),
    ("DELETE", "/sessions/{id}", People(ALL)),
    // Whatever lowers a guard is an act, which cards sign. The other routes only raise guards.
    ("GET", "/acts", People(ALL)),
    ("POST", "/acts", SIGNERS),
    ("GET", "/acts/{id}", People(ALL)),
    ("POST", "/acts/{id}/task", SIGNERS),
    ("POST", "/acts/{id}/signatures", SIGNERS),
    ("DELETE", "/acts/{id}", SIGNERS),
    // Programs need nobody's mail address, card or key.
    ("GET", "/operators", People(ALL)),
    ("POST", "/operators/{id}/revoke", ADMIN),
    ("GET", "/invitations", ADMIN),
    ("DELETE", "/invitations/{id}", ADMIN),
    // Only people manage tokens, so that a token that leaked cannot create another one.
    ("GET", "/tokens", People(ALL)),
    ("DELETE", "/tokens/{id}", People(ALL)),
    ("GET", "/hsms", Callers(ALL)),
    ("GET", "/hsms/{id}", Callers(ALL)),
    ("DELETE", "/hsms/{id}", ADMIN),
    ("DELETE", "/hsms/{id}/quarantine", ADMIN),
    ("GET", "/devices", ADMIN),
    ("POST", "/devices/{device}/decline", ADMIN),
    ("GET", "/keys", Callers(ALL)),
    (
        "PUT",
        "/keys/{fingerprint}/certificate",
        Callers(&[Admin, Requester]),
    ),
    ("DELETE", "/keys/{fingerprint}/certificate", ADMIN),
    ("PUT", "/keys/{fingerprint}/settings", ADMIN),
    ("GET", "/activations", Callers(ALL)),
    ("POST", "/activations", Callers(&[Admin, Requester])),
    ("GET", "/activations/{id}", Callers(ALL)),
    ("POST", "/activations/{id}/task", CUSTODIAN),
    ("POST", "/activations/{id}/approvals", CUSTODIAN),
    ("POST", "/activations/{id}/decline", CUSTODIAN),
    (
        "POST",
        "/activations/{id}/lock",
        Callers(&[Admin, Custodian, Requester]),
    ),
    (
        "POST",
        "/activations/{id}/signatures",
        Callers(&[Requester]),
    ),
    ("GET", "/activations/{id}/signatures", Callers(ALL)),
    ("GET", "/activations/{id}/receipt", Callers(ALL)),
    ("GET", "/audit", People(&[Admin, Custodian, Auditor])),
    ("GET", "/events", Callers(ALL)),
];

/// The routes whose bodies list files, with their longest body in bytes. An approval repeats the list in base64.
const WITH_FILES: &[(&str, &str, usize)] = &[
    ("POST", "/activations", MESSAGE_BYTES),
    ("POST", "/activations/{id}/approvals", MESSAGE_BYTES),
];

/// The longest body of a route whose bodies list files, in bytes.
pub fn longest_with_files(method: &Method, path: &str) -> Option<usize> {
    WITH_FILES
        .iter()
        .find(|(m, p, _)| *m == method.as_str() && *p == path)
        .map(|(_, _, longest)| *longest)
}

impl Access {
    /// Looks up who may call a route; `None` if it is not in [`TABLE`].
    pub fn of(method: &Method, path: &str) -> Option<Self> {
        TABLE
            .iter()
            .find(|(m, p, _)| *m == method.as_str() && *p == path)
            .map(|(_, _, access)| *access)
    }

    /// Checks that a caller may call the route.
    ///
    /// # Errors
    /// `not-allowed`: the caller lacks the role, or a program calls a route for people.
    pub fn check(self, caller: &Caller) -> Result<(), ApiError> {
        let not_allowed = |why: String| Err(ApiError::new(ProblemCode::NotAllowed, why));
        let is_program = matches!(caller, Caller::Token { .. });
        match self {
            People(_) if is_program => {
                not_allowed("an API token cannot do this: log in to the portal instead".to_owned())
            }
            Anyone => Ok(()),
            Callers(roles) | People(roles) => {
                if roles.iter().any(|role| caller.is(*role)) {
                    return Ok(());
                }
                let acts_as = if is_program {
                    ", but an API token acts as a requester only: log in to the portal instead"
                } else {
                    ""
                };
                not_allowed(format!(
                    "this requires the role {}{acts_as}",
                    alternatives(roles)
                ))
            }
        }
    }

    /// The callers in words, such as "people who are `admin` or `auditor`".
    pub fn in_words(self) -> String {
        let who = |everyone: &str, some: &str, roles: &[Role]| {
            if roles == ALL {
                everyone.to_owned()
            } else {
                format!("{some} {}", alternatives(roles))
            }
        };
        match self {
            Anyone => "anyone".to_owned(),
            Callers(roles) => who(
                "people who are logged in, and programs",
                "people and programs with the role",
                roles,
            ),
            People(roles) => who("people who are logged in", "people with the role", roles),
        }
    }
}

/// The roles as a list, such as "`admin`, `custodian` or `auditor`".
fn alternatives(roles: &[Role]) -> String {
    let names: Vec<_> = roles.iter().map(|role| format!("`{role}`")).collect();
    any_of(&names)
}

/// What [`enforce`] needs to know.
pub struct RouteAccess {
    pub auth: Authenticator,
    pub access: Access,
    pub bodies: Bodies,
    /// Limits how often strangers of one network may call the route.
    pub throttle: Option<Arc<Throttle<Network>>>,
}

/// The limits for strangers who call routes that are open to anyone. A limit for all strangers together would let one of them lock
/// everybody out.
pub struct Throttles {
    /// Challenges of log-ins, which cost a signature of the server.
    challenges: Arc<Throttle<Network>>,
    /// Log-ins and one-time codes.
    attempts: Arc<Throttle<Network>>,
}

impl Default for Throttles {
    fn default() -> Self {
        let many = NonZeroU32::MIN.saturating_add(99);
        Self {
            challenges: Arc::new(Throttle::new(many, Duration::from_millis(100))),
            attempts: Arc::new(Throttle::new(many, Duration::from_secs(1))),
        }
    }
}

impl Throttles {
    /// The limit of a route, if it has one.
    pub fn of(
        &self,
        access: Access,
        method: &Method,
        path: &str,
    ) -> Option<Arc<Throttle<Network>>> {
        match path {
            _ if access != Anyone || *method == Method::GET => None,
            "/session/challenge" => Some(self.challenges.clone()),
            _ => Some(self.attempts.clone()),
        }
    }
}

impl RouteAccess {
    /// Counts a request of this stranger.
    fn count(&self, request: &Request) -> Result<(), ApiError> {
        let Some(throttle) = &self.throttle else {
            return Ok(());
        };
        let peer = request.extensions().get::<ConnectInfo<Peer>>();
        // Without a peer, requests share one limit.
        let network = peer.map_or_else(
            || IpAddr::from(Ipv6Addr::UNSPECIFIED).into(),
            |ConnectInfo(peer)| peer.network(),
        );
        throttle.check(network).map_err(|wait| {
            let seconds = wait.as_secs() + 1;
            ApiError::too_many(
                format!("too many attempts came from your network: try again in {seconds} s"),
                wait,
            )
        })
    }
}

/// Rejects callers who may not call the route, before their request is read, and reads it within its limits. Handlers then find the [`Caller`] in the
/// request.
pub async fn enforce(
    State(route): State<Arc<RouteAccess>>,
    request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    if route.access == Anyone {
        route.count(&request)?;
        return route.bodies.run(request, next).await;
    }
    let (mut parts, body) = request.into_parts();
    let identified = route.auth.identify(&mut parts).await?;
    let called_by = CalledBy(identified.caller.actor());
    let session = identified.session.clone();
    let answer = match route.access.check(&identified.caller) {
        Ok(()) => {
            parts.extensions.insert(identified);
            let request = Request::from_parts(parts, body);
            route.bodies.run(request, next).await
        }
        Err(error) => Err(error),
    };
    let mut response = answer.into_response();
    response.extensions_mut().insert(called_by);
    // Only now, because the browser receives the new secret with the response, and a request may wait long for its answer.
    if let Some(session) = session
        && let Some(cookie) = route.auth.renewed_cookie(&session).await
    {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    Ok(response)
}
