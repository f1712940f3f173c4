//! The routes of the API, one file per resource.

mod about;
pub mod access;
mod activations;
mod acts;
mod approvals;
mod audit;
mod devices;
mod document;
mod events;
mod hsms;
mod keys;
mod people;
mod session;
mod tokens;

use std::sync::Arc;

use anyhow::Context;
use axum::{Router, http::Method, middleware::from_fn_with_state};
use utoipa::openapi::path::PathItem;
use utoipa_axum::router::UtoipaMethodRouter;

pub use self::access::Access;
use self::access::RouteAccess;
use super::{State, body::Bodies};

/// The handler of one method of one path, with its documentation.
type Handler = UtoipaMethodRouter<State>;

/// Every handler below `/api/v1`.
pub fn all() -> Vec<Handler> {
    [
        document::routes(),
        about::routes(),
        people::routes(),
        session::routes(),
        acts::routes(),
        tokens::routes(),
        hsms::routes(),
        devices::routes(),
        keys::routes(),
        activations::routes(),
        approvals::routes(),
        audit::routes(),
        events::routes(),
    ]
    .concat()
}

/// A router with all handlers, each of them behind the check of its callers.
///
/// # Errors
/// A route is missing in [`access::TABLE`].
pub fn router(state: &State, strangers: &Bodies) -> anyhow::Result<Router<State>> {
    let throttles = access::Throttles::default();
    let known = Bodies::of_known();
    let files = Bodies::with_files(0);
    let mut router = Router::new();
    for (_, paths, handler) in all() {
        for (path, item) in paths.paths {
            let method = method(&item)
                .with_context(|| format!("a handler of {path} must have one method"))?;
            let access = Access::of(&method, &path)
                .with_context(|| format!("the table of callers lacks {method} {path}"))?;
            let bodies = match (access, access::longest_with_files(&method, &path)) {
                (Access::Anyone, _) => strangers.clone(),
                (_, Some(longest)) => files.up_to(longest),
                (_, None) => known.clone(),
            };
            let route = Arc::new(RouteAccess {
                auth: state.auth.clone(),
                access,
                bodies,
                throttle: throttles.of(access, &method, &path),
            });
            let handler = handler.clone();
            router = router.route(
                &path,
                handler.route_layer(from_fn_with_state(route, access::enforce)),
            );
        }
    }
    Ok(router)
}

/// The method of the one operation that a handler documents; `None` if it documents several, which would share one check.
fn method(item: &PathItem) -> Option<Method> {
    let mut methods = [
        (&item.get, Method::GET),
        (&item.post, Method::POST),
        (&item.put, Method::PUT),
        (&item.delete, Method::DELETE),
    ]
    .into_iter()
    .filter(|(operation, _)| operation.is_some())
    .map(|(_, method)| method);
    methods.next().filter(|_| methods.next().is_none())
}
