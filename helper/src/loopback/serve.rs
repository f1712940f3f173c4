//! The HTTP server: one kind of upgrade, and the same rejection for every other request.

use std::sync::Arc;

use axum::{
    Router,
    extract::{FromRequestParts, Request, State, WebSocketUpgrade},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};

use super::{admission, listen::Loopback, session};
use crate::{
    helper::Helper,
    prompt::{CancelOnDrop, Deadline},
};

/// Large enough for a task with the largest manifest.
const MAX_MESSAGE: usize = countersign_protocol::limits::MESSAGE_BYTES;

#[derive(Clone)]
struct Context {
    helper: Arc<Helper>,
    port: u16,
}

/// Serves until a listener fails.
///
/// # Errors
/// A listener fails.
pub async fn serve(loopback: Loopback, helper: Arc<Helper>) -> std::io::Result<()> {
    let context = Context {
        helper,
        port: loopback.port,
    };
    let router = Router::new().fallback(handle).with_state(context);
    let mut listeners = tokio::task::JoinSet::new();
    for listener in loopback.into_listeners() {
        let router = router.clone();
        listeners.spawn(async move { axum::serve(listener, router).await });
    }
    match listeners.join_next().await {
        Some(Ok(result)) => result,
        Some(Err(error)) => Err(std::io::Error::other(error)),
        None => Ok(()),
    }
}

async fn handle(State(context): State<Context>, request: Request) -> Response {
    let (mut parts, _) = request.into_parts();
    let Some(origin) = admission::check(&parts, context.port) else {
        return rejection();
    };
    let Ok(upgrade) = WebSocketUpgrade::from_request_parts(&mut parts, &()).await else {
        return rejection();
    };
    let deadline = Deadline::minutes(5);
    // If the browser gives up first, this future is dropped and the prompt closes.
    let _cancel = CancelOnDrop(deadline.clone());
    let (helper, page) = (context.helper.clone(), origin.clone());
    let allowed =
        tokio::task::spawn_blocking(move || helper.origin_policy().may_connect(&page, &deadline))
            .await;
    if !matches!(allowed, Ok(true)) {
        return rejection();
    }
    upgrade
        .max_message_size(MAX_MESSAGE)
        .max_frame_size(MAX_MESSAGE)
        .on_upgrade(move |socket| session::run(socket, context.helper, origin))
}

/// The same response for every rejected request, so that it reveals nothing.
fn rejection() -> Response {
    (
        StatusCode::FORBIDDEN,
        [(header::CONNECTION, "close")],
        "refused\n",
    )
        .into_response()
}
