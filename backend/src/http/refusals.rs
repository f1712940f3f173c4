//! Notes in the audit log which requests were refused.

use std::net::{IpAddr, Ipv6Addr};

use axum::{
    extract::{ConnectInfo, MatchedPath, Request, State},
    http::Method,
    middleware::Next,
    response::Response,
};
use countersign_protocol::{
    audit::{Actor, Refusal},
    problem::{Problem, ProblemCode},
};

use super::{
    auth::{Authenticator, Credential},
    connection::Peer,
};
use crate::refusals::Refusals;

/// The caller of a request, in the extensions of its response.
#[derive(Clone)]
pub struct CalledBy(pub Actor);

/// Notes the refusal of a request. The response shows what was refused, so that no handler can forget to report it.
pub async fn note(
    State(refusals): State<Refusals>,
    State(auth): State<Authenticator>,
    request: Request,
    next: Next,
) -> Response {
    let method = request.method().clone();
    let path = request.extensions().get::<MatchedPath>().cloned();
    let peer = request.extensions().get::<ConnectInfo<Peer>>();
    let stranger = Actor::Stranger {
        network: peer.map_or(IpAddr::V6(Ipv6Addr::UNSPECIFIED), |ConnectInfo(peer)| {
            peer.network().into()
        }),
    };
    let credential = Credential::of(request.headers(), request.extensions(), auth.is_https());
    let has_credential = !matches!(credential, Credential::Session);
    let mut response = next.run(request).await;
    let called_by = response.extensions_mut().remove::<CalledBy>();
    let Some((problem, path)) = response.extensions().get::<Problem>().zip(path) else {
        return response;
    };
    let refusal = problem
        .code()
        .and_then(|code| refusal(&method, path.as_str(), code, has_credential));
    if let Some(refusal) = refusal {
        let actor = called_by.map_or(stranger, |CalledBy(actor)| actor);
        let (request, why) = (
            format!("{method} {}", path.as_str()),
            problem.detail.clone(),
        );
        // Strangers do not wait for the database, and a caller who disconnects does not prevent the entry.
        tokio::spawn(async move {
            refusals.note(refusal, actor, &request, &why).await;
        });
    }
    response
}

/// The kind of refusal that a problem in the answer to a request is, if it is one.
fn refusal(
    method: &Method,
    path: &str,
    code: ProblemCode,
    has_credential: bool,
) -> Option<Refusal> {
    use ProblemCode as Code;
    let path = path.strip_prefix("/api/v1").unwrap_or(path);
    match (path, code) {
        ("/session", Code::StatementRejected | Code::TooManyRequests) if method == Method::POST => {
            Some(Refusal::LogIn)
        }
        (
            "/bootstrap" | "/enrolment" | "/enrolment/open",
            Code::CodeInvalid | Code::TooManyRequests,
        ) => Some(Refusal::Code),
        (
            "/activations/{id}/approvals" | "/activations/{id}/task" | "/activations/{id}/decline",
            Code::StatementRejected | Code::NotAllowed,
        ) => Some(Refusal::Approval),
        (_, Code::NotAllowed) => Some(Refusal::Permission),
        (_, Code::NotAuthenticated) if has_credential => Some(Refusal::Credential),
        _ => None,
    }
}
