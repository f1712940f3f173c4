//! Security headers of every response, and the checks that reject requests before they reach a handler.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    http::{HeaderName, HeaderValue, Method, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use countersign_protocol::problem::ProblemCode;
use tracing::Instrument;

use super::{ApiError, auth::Credential};
use crate::config::Config;

/// Security headers of every response.
///
/// # Errors
/// A header cannot hold the content security policy.
pub fn headers(config: &Config) -> anyhow::Result<Vec<(HeaderName, HeaderValue)>> {
    let mut headers = vec![
        (
            header::CONTENT_SECURITY_POLICY,
            HeaderValue::from_str(&content_security_policy(config.helper_port))?,
        ),
        (
            header::X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        ),
        (
            header::REFERRER_POLICY,
            HeaderValue::from_static("no-referrer"),
        ),
        (
            HeaderName::from_static("cross-origin-opener-policy"),
            HeaderValue::from_static("same-origin"),
        ),
    ];
    if config.is_https() {
        headers.push((
            header::STRICT_TRANSPORT_SECURITY,
            HeaderValue::from_static("max-age=31536000"),
        ));
    }
    Ok(headers)
}

/// Allows no inline content and nothing from other sites. The portal may connect only to this server and to the card helper.
fn content_security_policy(helper_port: u16) -> String {
    format!(
        "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self' data:; \
         connect-src 'self' ws://127.0.0.1:{helper_port} ws://localhost:{helper_port}; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
}

fn is_safe(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD)
}

/// Runs a request that may change something to its end, even if its client disconnects.
pub async fn run_to_end(request: Request, next: Next) -> Response {
    if is_safe(request.method()) {
        return next.run(request).await;
    }
    match tokio::spawn(next.run(request).in_current_span()).await {
        Ok(response) => {
            #[cfg(feature = "simulator")]
            crate::faults::armed::pass("http/before answer");
            response
        }
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(error) => ApiError::internal(error).into_response(),
        },
    }
}

/// Rejects requests that change something with a session, unless they come from the portal itself.
pub async fn same_origin(
    State(config): State<Arc<Config>>,
    request: Request,
    next: Next,
) -> Response {
    let is_upgrade = request.headers().contains_key(header::UPGRADE);
    let credential = Credential::of(request.headers(), request.extensions(), config.is_https());
    let by_program = !matches!(credential, Credential::Session);
    let origin = request
        .headers()
        .get(header::ORIGIN)
        .map(HeaderValue::as_bytes);
    let is_own = origin == Some(config.public_origin.as_bytes());
    let only_reads = is_safe(request.method()) && !is_upgrade;
    if only_reads || (by_program && origin.is_none()) || is_own {
        return next.run(request).await;
    }
    ApiError::new(
        ProblemCode::NotAllowed,
        format!(
            "a request that changes something must carry an API token (`Authorization: Bearer TOKEN`) or come from a page at {}",
            config.public_origin
        ),
    )
    .into_response()
}

/// Rejects requests from pages of other sites, because a browser adds a client certificate to them as it adds cookies.
pub async fn not_from_a_page(
    State(config): State<Arc<Config>>,
    request: Request,
    next: Next,
) -> Response {
    let origin = request.headers().get(header::ORIGIN);
    let own = HeaderValue::from_str(&config.public_origin).ok();
    if is_safe(request.method()) || origin.is_none() || origin == own.as_ref() {
        return next.run(request).await;
    }
    ApiError::new(
        ProblemCode::NotAllowed,
        "this interface is for programs: pages of other sites cannot use it",
    )
    .into_response()
}
