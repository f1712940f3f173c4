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

/// The policy of responses that are not pages, which allows nothing.
const POLICY_OF_DATA: &str = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
                              require-trusted-types-for 'script'; trusted-types 'none'";

/// The portal needs none of these, but the clipboard and the network of this computer, where the card helper listens.
const PERMISSIONS: &str = "accelerometer=(), autoplay=(), bluetooth=(), browsing-topics=(), camera=(), clipboard-read=(), \
                           clipboard-write=(self), display-capture=(), encrypted-media=(), fullscreen=(), geolocation=(), \
                           gyroscope=(), hid=(), idle-detection=(), local-network-access=(self), local-fonts=(), \
                           loopback-network=(self), magnetometer=(), microphone=(), midi=(), payment=(), \
                           picture-in-picture=(), publickey-credentials-create=(), publickey-credentials-get=(), \
                           screen-wake-lock=(), serial=(), storage-access=(), usb=(), window-management=(), \
                           xr-spatial-tracking=()";

/// The security headers of every response. A response with a content security policy of its own keeps it.
pub fn headers(config: &Config) -> Vec<(HeaderName, HeaderValue)> {
    let mut headers = vec![
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
        (
            HeaderName::from_static("cross-origin-opener-policy"),
            "same-origin",
        ),
        (
            HeaderName::from_static("cross-origin-resource-policy"),
            "same-origin",
        ),
        (HeaderName::from_static("permissions-policy"), PERMISSIONS),
    ];
    if config.is_https() {
        headers.push((header::STRICT_TRANSPORT_SECURITY, "max-age=31536000"));
    }
    headers
        .into_iter()
        .map(|(name, value)| (name, HeaderValue::from_static(value)))
        .collect()
}

/// The headers of a response that has none of its own: it is not stored, and may do nothing.
pub fn defaults() -> [(HeaderName, HeaderValue); 2] {
    [
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (
            header::CONTENT_SECURITY_POLICY,
            HeaderValue::from_static(POLICY_OF_DATA),
        ),
    ]
}

/// The content security policy of the portal's pages. They run the files of this server only, and connect only to this server and to
/// the card helper. The trusted types policy `default` is that of `frontend/boot.js`.
pub fn policy_of_pages(helper_port: u16) -> String {
    format!(
        "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self'; \
         connect-src 'self' ws://127.0.0.1:{helper_port}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
         require-trusted-types-for 'script'; trusted-types default"
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
