//! The routes of the API, one file per resource.

mod about;
pub mod access;
mod activations;
mod audit;
mod devices;
mod document;
mod events;
mod hsms;
mod keys;
mod people;
mod session;
mod tokens;

use anyhow::Context;
use axum::{Router, http::Method, middleware::from_fn_with_state};
use utoipa::openapi::path::PathItem;
use utoipa_axum::router::UtoipaMethodRouter;

pub use self::access::Access;
use self::access::Gate;
use super::State;

/// The handler of one method of one path, with its documentation.
type Handler = UtoipaMethodRouter<State>;

/// Every handler below `/api/v1`.
pub fn all() -> Vec<Handler> {
    [
        document::routes(),
        about::routes(),
        people::routes(),
        session::routes(),
        tokens::routes(),
        hsms::routes(),
        devices::routes(),
        keys::routes(),
        activations::routes(),
        audit::routes(),
        events::routes(),
    ]
    .concat()
}

/// A router with all handlers, each of them behind the check of its callers.
///
/// # Errors
/// A route is missing in [`access::TABLE`].
pub fn router(state: &State) -> anyhow::Result<Router<State>> {
    let mut router = Router::new();
    for (_, paths, handler) in all() {
        for (path, item) in paths.paths {
            let method = method(&item).with_context(|| format!("{path} has no method"))?;
            let access = Access::of(&method, &path)
                .with_context(|| format!("the table of callers lacks {method} {path}"))?;
            let gate = Gate {
                auth: state.auth.clone(),
                access,
            };
            let handler = handler.clone();
            router = router.route(
                &path,
                handler.route_layer(from_fn_with_state(gate, access::enforce)),
            );
        }
    }
    Ok(router)
}

/// The method of the one operation that a handler documents.
pub fn method(item: &PathItem) -> Option<Method> {
    [
        (&item.get, Method::GET),
        (&item.post, Method::POST),
        (&item.put, Method::PUT),
        (&item.delete, Method::DELETE),
    ]
    .into_iter()
    .find(|(operation, _)| operation.is_some())
    .map(|(_, method)| method)
}
