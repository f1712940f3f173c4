//! HTTP: one kind of upgrade, and one answer for everything else.

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
    prompt::{CancelOnDrop, Patience},
};

/// A complete manifest fits into one message.
const LARGEST_MESSAGE: usize = 8 << 20;

#[derive(Clone)]
struct Context {
    helper: Arc<Helper>,
    port: u16,
}

/// Serves until a listener fails.
///
/// # Errors
/// The listener's.
pub async fn serve(loopback: Loopback, helper: Arc<Helper>) -> std::io::Result<()> {
    let context = Context {
        helper,
        port: loopback.port,
    };
    let router = Router::new().fallback(handle).with_state(context);
    let mut listeners = tokio::task::JoinSet::new();
    for listener in loopback.into_guarded() {
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
        return refusal();
    };
    let Ok(upgrade) = WebSocketUpgrade::from_request_parts(&mut parts, &()).await else {
        return refusal();
    };
    let patience = Patience::minutes(5);
    // The browser may give up first; then the question disappears.
    let _cancel = CancelOnDrop(patience.clone());
    let (helper, asked) = (context.helper.clone(), origin.clone());
    let admitted =
        tokio::task::spawn_blocking(move || helper.gate().admit(&asked, &patience)).await;
    if !matches!(admitted, Ok(true)) {
        return refusal();
    }
    upgrade
        .max_message_size(LARGEST_MESSAGE)
        .max_frame_size(LARGEST_MESSAGE)
        .on_upgrade(move |socket| session::run(socket, context.helper, origin))
}

/// The same words for whoever asks for whatever, so that nothing can be learnt from them.
fn refusal() -> Response {
    (
        StatusCode::FORBIDDEN,
        [(header::CONNECTION, "close")],
        "refused\n",
    )
        .into_response()
}
