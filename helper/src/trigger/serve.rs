//! The HTTP server for triggers, which handles one at a time.

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{
    body::Body,
    http::{Method, Request, Response},
    serve::Listener,
};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{
    origin,
    request::Trigger,
    response,
    session::{self, Outcome},
};
use crate::{
    helper::Helper,
    loopback::{Loopback, OwnConnections},
    prompt::{CancelOnDrop, Deadline},
    remote::Stop,
};

/// Enough for an address, a session and the browser's own headers.
const MAX_HEAD: usize = 16 << 10;
const MAX_HEADERS: usize = 64;
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// When a page is reloaded, its card is released only after a moment.
const SLOT_TIMEOUT: Duration = Duration::from_secs(3);

/// The cards that pages can use.
pub struct WebClient {
    pub helper: Arc<Helper>,
    /// The beginning of the name of the card's reader. Empty for any reader.
    pub reader: String,
}

struct Context {
    client: WebClient,
    port: u16,
    /// One permit, because one page at a time can attach a card.
    slot: Arc<Semaphore>,
}

/// The connection is closed without a response.
#[derive(Debug, thiserror::Error)]
#[error("closed without a response")]
struct NoResponse;

/// Serves until a listener's task fails.
///
/// # Errors
/// A listener's task fails.
pub async fn serve(loopback: Loopback, client: WebClient) -> std::io::Result<Infallible> {
    let context = Arc::new(Context {
        client,
        port: loopback.port,
        slot: Arc::new(Semaphore::new(1)),
    });
    let mut listeners = tokio::task::JoinSet::new();
    for listener in loopback.into_listeners() {
        listeners.spawn(accept(listener, context.clone()));
    }
    match listeners.join_next().await {
        Some(Err(error)) => Err(std::io::Error::other(error)),
        Some(Ok(never)) => Ok(never),
        None => Err(std::io::Error::other("no listener")),
    }
}

async fn accept(mut listener: OwnConnections, context: Arc<Context>) -> Infallible {
    loop {
        let (connection, _) = listener.accept().await;
        let context = context.clone();
        let service = service_fn(move |request| handle(context.clone(), request));
        let served = http1::Builder::new()
            .keep_alive(false)
            .max_buf_size(MAX_HEAD)
            .max_headers(MAX_HEADERS)
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIMEOUT)
            .serve_connection(TokioIo::new(connection), service);
        tokio::spawn(async move {
            if let Err(error) = served.await {
                tracing::debug!("web client: connection failed: {error}");
            }
        });
    }
}

async fn handle(
    context: Arc<Context>,
    request: Request<Incoming>,
) -> Result<Response<Body>, NoResponse> {
    let (parts, _) = request.into_parts();
    if !origin::is_for_this_machine(&parts, context.port) {
        tracing::warn!(
            "web client: rejected a request: its Host header does not name this machine and port"
        );
        return Err(NoResponse);
    }
    let page = origin::page(&parts.headers);
    match parts.method {
        Method::GET => {}
        Method::OPTIONS => return Ok(response::preflight(page.as_ref())),
        _ => return Err(NoResponse),
    }
    let Some(query) = parts.uri.query() else {
        return Ok(response::image(false, None));
    };
    let trigger = Trigger::parse(query).map_err(|error| {
        tracing::warn!("web client: rejected a request: {error}");
        NoResponse
    })?;
    let Ok(Ok(slot)) =
        tokio::time::timeout(SLOT_TIMEOUT, context.slot.clone().acquire_owned()).await
    else {
        tracing::warn!("web client: rejected a request: another page's session or prompt was open");
        return Err(NoResponse);
    };
    let allowed = page.clone();
    match run_session(context, trigger, page, slot).await {
        Outcome::Passed => Ok(response::image(true, allowed.as_ref())),
        Outcome::Failed => Ok(response::image(false, allowed.as_ref())),
        Outcome::NoResponse => Err(NoResponse),
    }
}

/// Runs the session on its own thread. If the browser gives up first, the prompt closes and the card is reset.
async fn run_session(
    context: Arc<Context>,
    trigger: Trigger,
    page: Option<crate::origin::Origin>,
    slot: OwnedSemaphorePermit,
) -> Outcome {
    let deadline = Deadline::minutes(5);
    let stop = Arc::new(Stop::default());
    let _cancel = CancelOnDrop(deadline.clone());
    let _stop = StopOnDrop(stop.clone());
    let done = tokio::task::spawn_blocking(move || {
        let WebClient { helper, reader } = &context.client;
        session::run(helper, &trigger, page, reader, slot, &deadline, &stop)
    });
    done.await.unwrap_or(Outcome::Failed)
}

struct StopOnDrop(Arc<Stop>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        let stop = self.0.clone();
        // `stop` can block while the card executes a command.
        std::thread::spawn(move || stop.stop());
    }
}
