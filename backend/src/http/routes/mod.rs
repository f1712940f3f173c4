//! The routes of the API, one file per resource.

mod about;
mod activations;
mod audit;
mod devices;
mod events;
mod hsms;
mod keys;
mod people;
mod session;
mod tokens;

use axum::Router;

use super::State;

/// Everything below `/api/v1`.
pub fn all() -> Router<State> {
    Router::new()
        .merge(about::routes())
        .merge(people::routes())
        .merge(session::routes())
        .merge(tokens::routes())
        .merge(hsms::routes())
        .merge(devices::routes())
        .merge(keys::routes())
        .merge(activations::routes())
        .merge(audit::routes())
        .merge(events::routes())
}
