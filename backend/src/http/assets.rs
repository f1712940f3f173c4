//! Serves the portal, which is embedded into this program.

use std::sync::Arc;

use axum::{
    extract::State,
    http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header},
    response::{Html, IntoResponse, Response},
};
use countersign_protocol::problem::ProblemCode;
use rust_embed::RustEmbed;

use super::{problem::ApiError, security};
use crate::config::Config;

#[derive(RustEmbed)]
#[folder = "../frontend/dist"]
struct Portal;

const INDEX: &str = "index.html";
const NOT_BUILT: &str = "<!doctype html><title>Countersign</title><h1>The portal is not in this build</h1>\
<p>Run <code>cargo xtask build</code>. The API works: see <code>/api/v1/about</code>.";

pub async fn serve(
    State(config): State<Arc<Config>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    // A program with a wrong address cannot use a page.
    let is_interface =
        ["api", "se", "rt"].contains(&uri.path().split('/').nth(1).unwrap_or_default());
    if is_interface || !matches!(method, Method::GET | Method::HEAD) {
        return ApiError::new(
            ProblemCode::NotFound,
            "this address does not exist: the API is at /api/v1",
        )
        .into_response();
    }
    let path = uri.path().trim_start_matches('/');
    let is_asset = path.starts_with("assets/");
    // Every other address shows a page of the portal, which reads the address itself.
    let path = if is_asset { path } else { INDEX };
    let Some(file) = Portal::get(path) else {
        return if is_asset {
            StatusCode::NOT_FOUND.into_response()
        } else {
            (StatusCode::NOT_FOUND, Html(NOT_BUILT)).into_response()
        };
    };
    let accepted = headers
        .get(header::ACCEPT_ENCODING)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let compressed = [("br", ".br"), ("gzip", ".gz")]
        .into_iter()
        .find_map(|(encoding, ending)| {
            accepted
                .contains(encoding)
                .then(|| Portal::get(&format!("{path}{ending}")))
                .flatten()
                .map(|file| (encoding, file))
        });
    let common = [
        (header::CONTENT_TYPE, content_type(path)),
        (header::VARY, "accept-encoding"),
    ];
    let mut response = match compressed {
        Some((encoding, file)) => {
            (common, [(header::CONTENT_ENCODING, encoding)], file.data).into_response()
        }
        None => (common, file.data).into_response(),
    };
    let (name, value) = if is_asset {
        // The name of an asset contains a hash of its content, so it can be cached forever.
        let forever = HeaderValue::from_static("public, max-age=31536000, immutable");
        (header::CACHE_CONTROL, forever)
    } else {
        match HeaderValue::from_str(&security::policy_of_pages(config.helper_port)) {
            Ok(policy) => (header::CONTENT_SECURITY_POLICY, policy),
            Err(error) => return ApiError::internal(error).into_response(),
        }
    };
    response.headers_mut().insert(name, value);
    response
}

fn content_type(path: &str) -> &'static str {
    match path.rsplit('.').next() {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("wasm") => "application/wasm",
        Some("svg") => "image/svg+xml",
        _ => "application/octet-stream",
    }
}
