//! The responses: two images that show the result, and the answer to preflights.

use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, Response, StatusCode, header},
};

use crate::origin::Origin;

/// A tick and a cross, 48 pixels square.
const PASSED: &[u8] = include_bytes!("passed.png");
const FAILED: &[u8] = include_bytes!("failed.png");

/// The image. `page` can read it, because the user has allowed this page.
pub(super) fn image(passed: bool, page: Option<&Origin>) -> Response<Body> {
    let image = if passed { PASSED } else { FAILED };
    let mut response = Response::new(Body::from(image));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("image/png"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // A cross-origin isolated page shows only images with this header.
    headers.insert(
        "cross-origin-resource-policy",
        HeaderValue::from_static("cross-origin"),
    );
    allow_reading(headers, page);
    response
}

/// The answer to the preflight that browsers send before a page can access this computer. Accepting it gives a page no more
/// than it can already do with an image.
pub(super) fn preflight(page: Option<&Origin>) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    allow_reading(headers, page);
    headers.insert(
        header::ACCESS_CONTROL_ALLOW_METHODS,
        HeaderValue::from_static("GET"),
    );
    // Chrome's old and new names of this header.
    for name in [
        "access-control-allow-private-network",
        "access-control-allow-local-network",
    ] {
        headers.insert(name, HeaderValue::from_static("true"));
    }
    response
}

fn allow_reading(headers: &mut HeaderMap, page: Option<&Origin>) {
    headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    headers.insert(header::VARY, HeaderValue::from_static("Origin"));
    if let Some(page) = page.and_then(|page| HeaderValue::from_str(page.as_str()).ok()) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, page);
    }
}
