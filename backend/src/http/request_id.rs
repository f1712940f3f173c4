//! An id for every request: in its log lines, in a header of the response, and in problem details, so that a user can quote it and
//! an administrator can find the log lines.

use axum::{
    body::{Body, Bytes},
    extract::Request,
    http::{HeaderName, HeaderValue, header},
    middleware::Next,
    response::Response,
};
use countersign_protocol::problem::Problem;
use tracing::Span;

/// The header of the response.
const HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// The id of a request, in its extensions.
#[derive(Clone)]
struct RequestId(String);

/// Gives the request an id. A client's own header is ignored, because log lines must not carry what a stranger chose.
pub async fn assign(mut request: Request, next: Next) -> Response {
    let id = uuid::Uuid::now_v7().simple().to_string();
    request.extensions_mut().insert(RequestId(id.clone()));
    let mut response = next.run(request).await;
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(HEADER, value);
    }
    let Some(mut problem) = response.extensions_mut().remove::<Problem>() else {
        return response;
    };
    problem.request_id = Some(id);
    if let Ok(body) = serde_json::to_vec(&problem) {
        response.headers_mut().remove(header::CONTENT_LENGTH);
        *response.body_mut() = Body::from(Bytes::from(body));
    }
    response
}

/// The span of a request: every log line that is written for it carries these fields.
pub fn span(request: &Request) -> Span {
    let id = request
        .extensions()
        .get::<RequestId>()
        .map_or("", |RequestId(id)| id);
    tracing::info_span!(
        "request",
        request = id,
        method = %request.method(),
        path = loggable(request.uri().path()),
        person = tracing::field::Empty,
        token = tracing::field::Empty,
    )
}

/// The path of a request without the secret that may end it: RAMOverHTTP clients can have a token in their address.
fn loggable(path: &str) -> &str {
    if path.starts_with("/rt/") {
        "/rt/hsm"
    } else {
        path
    }
}

#[cfg(test)]
mod tests {
    use super::loggable;

    #[test]
    fn the_token_in_an_address_is_not_logged() {
        assert_eq!(loggable("/rt/hsm/0123456789abcdef"), "/rt/hsm");
        assert_eq!(loggable("/api/v1/hsms"), "/api/v1/hsms");
    }
}
