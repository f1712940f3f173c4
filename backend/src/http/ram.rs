//! `POST /rt/hsm`: the endpoint for RAMOverHTTP clients, which attach a device remotely.

use std::sync::Arc;

use axum::{
    Router,
    body::Body,
    extract::{ConnectInfo, FromRequest, Path, Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, Version, header},
    response::{IntoResponse, Response},
    routing::post,
};
use countersign_protocol::problem::ProblemCode;
use countersign_ram::{ClientMessage, http::SERVER_CONTENT_TYPE};

use super::{body::Bodies, connection::Peer, problem::ApiError};
use crate::remote::{Connection, RamSession, Remote, Reply};

/// A message has a header of 4 bytes and at most 65,535 bytes of content.
const BODY_LIMIT: usize = 65_535 + 4;
/// Name of the session cookie that RAMOverHTTP clients expect.
const COOKIE: &str = "RAMSID";

type Receive = dyn Fn(&Arc<RamSession>) + Send + Sync;

/// The endpoint to which clients post.
#[derive(Clone)]
pub struct RamEndpoint {
    remote: Remote,
    /// Whether clients connect with HTTPS, so that the cookie is marked `Secure`.
    secure: bool,
    /// Verifies the device behind each new session, on a thread that may block.
    receive: Arc<Receive>,
    bodies: Bodies,
}

impl RamEndpoint {
    /// Calls `receive` for each new session.
    pub fn new(
        remote: Remote,
        secure: bool,
        receive: impl Fn(&Arc<RamSession>) + Send + Sync + 'static,
    ) -> Self {
        Self {
            remote,
            secure,
            receive: Arc::new(receive),
            bodies: Bodies::of_strangers().up_to(BODY_LIMIT),
        }
    }

    /// `/rt/hsm`, with and without a token. Every request needs a [`Peer`] as its `ConnectInfo`.
    pub fn routes<S: Clone + Send + Sync + 'static>(self) -> Router<S> {
        Router::new()
            .route("/rt/hsm", post(without_token))
            .route("/rt/hsm/{token}", post(with_token))
            .method_not_allowed_fallback(|| async {
                ApiError::new(
                    ProblemCode::MethodNotAllowed,
                    "this address accepts only POST requests from RAMOverHTTP clients",
                )
            })
            .with_state(self)
    }
}

impl RamEndpoint {
    async fn read(&self, body: Body) -> Result<ClientMessage, ApiError> {
        let body = self.bodies.read(body).await?;
        ClientMessage::parse(&body.bytes).map_err(|error| {
            ApiError::new(
                ProblemCode::InvalidRequest,
                format!("this is not a message of a RAMOverHTTP client: {error}"),
            )
        })
    }
}

async fn without_token(State(endpoint): State<RamEndpoint>, call: Call) -> Response {
    call.answer(&endpoint, None).await
}

async fn with_token(
    State(endpoint): State<RamEndpoint>,
    Path(token): Path<String>,
    call: Call,
) -> Response {
    call.answer(&endpoint, Some(&token)).await
}

/// A client's POST.
struct Call {
    peer: Peer,
    version: Version,
    headers: HeaderMap,
    body: Body,
}

impl<S: Send + Sync> FromRequest<S> for Call {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        let (mut parts, body) = request.into_parts();
        let peer = parts.extensions.remove::<ConnectInfo<Peer>>();
        let ConnectInfo(peer) = peer.ok_or_else(|| ApiError::internal("a request has no peer"))?;
        Ok(Self {
            peer,
            version: parts.version,
            headers: parts.headers,
            body,
        })
    }
}

impl Call {
    async fn answer(self, endpoint: &RamEndpoint, token: Option<&str>) -> Response {
        // The status is 404, because clients then report that the address is wrong.
        if !endpoint.remote.lets_in(token) {
            return ApiError::new(
                ProblemCode::NotFound,
                "no HSM can be attached at this address: use the address with the token that the server's admin gave you",
            )
            .into_response();
        }
        let connection = self.connection();
        let cookie = self.cookie();
        let message = match endpoint.read(self.body).await {
            Ok(message) => message,
            Err(error) => return error.into_response(),
        };
        match message {
            ClientMessage::Initiation(initiation) => {
                let from = self.peer.address.ip();
                let session = Arc::new(RamSession::new(&initiation, from));
                let network = self.peer.network();
                let cookie = match endpoint.remote.sessions().insert(session.clone(), network) {
                    Ok(cookie) => cookie,
                    Err(error) => return ApiError::internal(error).into_response(),
                };
                let (receive, received) = (endpoint.receive.clone(), session.clone());
                tokio::task::spawn_blocking(move || receive(&received));
                let reply = session.post(None, connection).await;
                let mut response = respond(endpoint, &cookie, reply);
                let secure = if endpoint.secure { "; Secure" } else { "" };
                let set = format!("{COOKIE}={cookie}; Path=/; HttpOnly{secure}");
                if let Ok(value) = HeaderValue::from_str(&set) {
                    response.headers_mut().insert(header::SET_COOKIE, value);
                }
                response
            }
            ClientMessage::Answer(answer) => {
                let session = cookie.and_then(|cookie| {
                    let session = endpoint.remote.sessions().get(&cookie)?;
                    Some((cookie, session))
                });
                let Some((cookie, session)) = session else {
                    return gone();
                };
                if session.is_verified() {
                    self.peer.keep_connection();
                }
                let reply = session.post(Some(answer), connection).await;
                respond(endpoint, &cookie, reply)
            }
        }
    }

    /// The connection, if the client intends to keep it open.
    fn connection(&self) -> Option<Connection> {
        let close = self
            .headers
            .get_all(header::CONNECTION)
            .iter()
            .any(|value| {
                value
                    .to_str()
                    .is_ok_and(|value| value.to_ascii_lowercase().contains("close"))
            });
        (self.version >= Version::HTTP_11 && !close).then(|| self.peer.alive())
    }

    fn cookie(&self) -> Option<String> {
        self.headers
            .get_all(header::COOKIE)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(';'))
            .find_map(|pair| {
                let (name, value) = pair.trim().split_once('=')?;
                (name == COOKIE).then(|| value.to_owned())
            })
    }
}

fn respond(endpoint: &RamEndpoint, cookie: &str, reply: Reply) -> Response {
    let Reply::Work(request) = reply else {
        endpoint.remote.sessions().remove(cookie);
        return gone();
    };
    match request.encode() {
        Ok(body) => ([(header::CONTENT_TYPE, SERVER_CONTENT_TYPE)], body).into_response(),
        Err(error) => ApiError::internal(error).into_response(),
    }
}

/// Clients report that the server aborted the connection; the card helper connects again.
fn gone() -> Response {
    StatusCode::GATEWAY_TIMEOUT.into_response()
}
