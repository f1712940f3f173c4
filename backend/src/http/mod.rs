//! HTTP: routes, authentication, errors, the embedded portal.

mod assets;
mod auth;
mod body;
mod cloud;
mod connection;
mod extract;
mod json_file;
pub mod openapi;
mod problem;
mod ram;
mod refusals;
mod request_id;
pub mod routes;
mod security;
mod state;

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{DefaultBodyLimit, FromRef},
    http::StatusCode,
    middleware,
    response::IntoResponse,
};
use countersign_protocol::problem::ProblemCode;
use tower_http::{
    catch_panic::CatchPanicLayer,
    classify::ServerErrorsFailureClass,
    set_header::SetResponseHeaderLayer,
    trace::{DefaultOnFailure, OnFailure, TraceLayer},
};
use tracing::Span;

pub use auth::{Authenticator, Caller};
pub use connection::{ConnectionLimits, Connections, Peer, PlaceLimits};
pub use problem::ApiError;
pub use ram::RamEndpoint;
pub use state::{Services, State};

use crate::config::Config;

/// All routes of the server.
///
/// # Errors
/// The configuration contains characters that a header cannot hold.
pub fn router(state: State) -> anyhow::Result<Router> {
    let config = Arc::<Config>::from_ref(&state);
    let strangers = body::Bodies::of_strangers();
    let note_refusals = middleware::from_fn_with_state(state.clone(), refusals::note);
    let cloud = cloud::routes(&state, &strangers)
        .layer(middleware::from_fn(security::run_to_end))
        .layer(note_refusals.clone());
    let api = routes::router(&state, &strangers)?
        .fallback(|| async {
            ApiError::new(
                ProblemCode::NotFound,
                "this address does not exist in the API: /api/v1/openapi.json lists the addresses",
            )
        })
        .method_not_allowed_fallback(|| async { method_not_allowed() })
        .layer(middleware::from_fn_with_state(
            state.clone(),
            security::same_origin,
        ))
        .layer(middleware::from_fn(security::run_to_end))
        .layer(note_refusals)
        // The body was read within the limits of its route.
        .layer(DefaultBodyLimit::disable());
    let mut router = Router::new()
        .nest("/api/v1", api)
        .nest("/se/api", cloud)
        .merge(state.ram.clone().routes())
        .fallback(assets::serve)
        .layer(CatchPanicLayer::custom(|_| {
            ApiError::internal("a handler panicked").into_response()
        }))
        .layer(
            TraceLayer::new_for_http()
                .make_span_with(request_id::span)
                .on_failure(log_failure),
        );
    for (name, value) in security::headers(&config) {
        router = router.layer(SetResponseHeaderLayer::overriding(name, value));
    }
    for (name, value) in security::defaults() {
        router = router.layer(SetResponseHeaderLayer::if_not_present(name, value));
    }
    let router = router
        .layer(middleware::from_fn(body::close_if_unread))
        .layer(middleware::from_fn(request_id::assign))
        .layer(middleware::from_fn_with_state(
            state.clone(),
            connection::replace_proxy_by_client,
        ));
    Ok(router.with_state(state))
}

fn method_not_allowed() -> ApiError {
    ApiError::new(
        ProblemCode::MethodNotAllowed,
        "this address does not support this method",
    )
}

/// Logs failed requests, except status 504: only the sessions of RAMOverHTTP clients end with it, and for them it is normal.
fn log_failure(failure: ServerErrorsFailureClass, after: Duration, span: &Span) {
    match failure {
        ServerErrorsFailureClass::StatusCode(StatusCode::GATEWAY_TIMEOUT) => {}
        failure => DefaultOnFailure::new().on_failure(failure, after, span),
    }
}
