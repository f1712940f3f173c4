//! Information about the server for clients that are not logged in.

use std::sync::Arc;

use axum::{Json, extract::State};
use countersign_protocol::about::About;

use utoipa_axum::routes;

use crate::{
    config::Config,
    http::{problem::ApiError, routes::Handler},
    identity::ServerKey,
    views::Views,
};

pub fn routes() -> Vec<Handler> {
    vec![routes!(about)]
}

/// Returns the public facts about the server, for clients that are not logged in.
#[utoipa::path(
    get, path = "/about", operation_id = "getAbout",
    responses((status = 200, description = "The server", body = About)),
)]
async fn about(
    State(config): State<Arc<Config>>,
    State(identity): State<Arc<ServerKey>>,
    State(views): State<Views>,
) -> Result<Json<About>, ApiError> {
    Ok(Json(About {
        server: identity.identity().clone(),
        version: env!("CARGO_PKG_VERSION").into(),
        needs_bootstrap: views.operators().await?.is_empty(),
        demo: config.demo,
        helper_port: config.helper_port,
    }))
}
