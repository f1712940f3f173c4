//! The document that describes the API.

use std::sync::{Arc, LazyLock};

use axum::{
    extract::State,
    http::{HeaderName, header},
    response::IntoResponse,
};
use utoipa_axum::routes;

use crate::{
    config::Config,
    http::{openapi, routes::Handler},
};

/// Made once, because it does not change while the program runs.
static WITH_TLS: LazyLock<String> = LazyLock::new(|| openapi::document(true).to_string());
static WITHOUT_TLS: LazyLock<String> = LazyLock::new(|| openapi::document(false).to_string());

const JSON: [(HeaderName, &str); 1] = [(header::CONTENT_TYPE, "application/json")];

pub fn routes() -> Vec<Handler> {
    vec![routes!(document)]
}

/// Returns the OpenAPI document.
#[utoipa::path(
    get, path = "/openapi.json", operation_id = "getDocument",
    responses((status = 200, description = "An OpenAPI 3.1 document", body = Object)),
)]
async fn document(State(config): State<Arc<Config>>) -> impl IntoResponse {
    let document = if config.is_https() {
        &WITH_TLS
    } else {
        &WITHOUT_TLS
    };
    (JSON, document.as_str())
}
