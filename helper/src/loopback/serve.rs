//! The HTTP server: one kind of upgrade, and the same rejection for every other request.

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{
    body::Body,
    extract::{FromRequestParts, Request, WebSocketUpgrade},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    serve::Listener,
};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};

use super::{
    admission,
    listen::{Loopback, OwnConnections},
    places::Places,
    session,
};
use crate::{
    helper::Helper,
    prompt::{CancelOnDrop, Deadline},
};

/// Large enough for a task with the largest manifest.
const MAX_MESSAGE: usize = countersign_protocol::limits::MESSAGE_BYTES;

/// Enough for the browser's own headers.
const MAX_HEAD: usize = 16 << 10;
/// How long a connection may take to send its request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

#[derive(Clone)]
struct Context {
    helper: Arc<Helper>,
    port: u16,
    places: Arc<Places>,
}

/// Serves until a listener fails.
///
/// # Errors
/// A listener fails.
pub async fn serve(loopback: Loopback, helper: Arc<Helper>) -> std::io::Result<()> {
    let context = Context {
        helper,
        port: loopback.port,
        places: loopback.places.clone(),
    };
    let mut listeners = tokio::task::JoinSet::new();
    for listener in loopback.into_listeners() {
        listeners.spawn(accept(listener, context.clone()));
    }
    match listeners.join_next().await {
        Some(Err(error)) => Err(std::io::Error::other(error)),
        Some(Ok(never)) => match never {},
        None => Ok(()),
    }
}

async fn accept(mut listener: OwnConnections, context: Context) -> Infallible {
    loop {
        let (connection, _) = listener.accept().await;
        let context = context.clone();
        let service = service_fn(move |request: Request<Incoming>| {
            let context = context.clone();
            async move { Ok::<_, Infallible>(handle(context, request.map(Body::new)).await) }
        });
        let served = http1::Builder::new()
            .max_buf_size(MAX_HEAD)
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIMEOUT)
            .serve_connection(TokioIo::new(connection), service)
            .with_upgrades();
        tokio::spawn(async move {
            if let Err(error) = served.await {
                tracing::debug!("connection failed: {error}");
            }
        });
    }
}

async fn handle(context: Context, request: Request) -> Response {
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
        .on_upgrade(move |socket| {
            session::run(socket, context.helper, origin, context.places.session())
        })
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
