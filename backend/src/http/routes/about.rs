//! Information about the server for clients that are not logged in.

use std::sync::Arc;

use axum::{Json, Router, extract::State, routing::get};
use countersign_protocol::about::About;

use crate::{
    config::Config,
    http::{self, problem::ApiError},
    identity::ServerKey,
    views::Views,
};

pub fn routes() -> Router<http::State> {
    Router::new().route("/about", get(about))
}

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
