//! HTTP for one kind of request, one at a time.

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
    answer, asked,
    request::Trigger,
    session::{self, Outcome},
};
use crate::{
    helper::Helper,
    loopback::{Guarded, Loopback},
    prompt::{CancelOnDrop, Patience},
    remote::Stop,
};

/// A request's head: an address, a session and what browsers say of themselves.
const LARGEST_HEAD: usize = 16 << 10;
const MOST_HEADERS: usize = 64;
const HEAD_WITHIN: Duration = Duration::from_secs(10);
/// The page was loaded anew: its card is about to come back.
const TURN_WITHIN: Duration = Duration::from_secs(3);

/// What pages may get.
pub struct WebClient {
    /// The helper whose cards they are.
    pub helper: Arc<Helper>,
    /// How the name of the card's reader begins; empty: any.
    pub reader: String,
}

struct Context {
    client: WebClient,
    port: u16,
    turn: Arc<Semaphore>,
}

/// The connection is closed without an answer.
#[derive(Debug, thiserror::Error)]
#[error("no answer")]
struct NoAnswer;

/// Serves until a listener's task fails.
///
/// # Errors
/// The task's.
pub async fn serve(loopback: Loopback, client: WebClient) -> std::io::Result<Infallible> {
    let context = Arc::new(Context {
        client,
        port: loopback.port,
        turn: Arc::new(Semaphore::new(1)),
    });
    let mut listeners = tokio::task::JoinSet::new();
    for listener in loopback.into_guarded() {
        listeners.spawn(accept(listener, context.clone()));
    }
    match listeners.join_next().await {
        Some(Err(error)) => Err(std::io::Error::other(error)),
        Some(Ok(never)) => Ok(never),
        None => Err(std::io::Error::other("no listener")),
    }
}

async fn accept(mut listener: Guarded, context: Arc<Context>) -> Infallible {
    loop {
        let (connection, _) = listener.accept().await;
        let context = context.clone();
        let service = service_fn(move |request| handle(context.clone(), request));
        let served = http1::Builder::new()
            .keep_alive(false)
            .max_buf_size(LARGEST_HEAD)
            .max_headers(MOST_HEADERS)
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_WITHIN)
            .serve_connection(TokioIo::new(connection), service);
        tokio::spawn(async move {
            if let Err(error) = served.await {
                tracing::debug!("web client: {error}");
            }
        });
    }
}

async fn handle(
    context: Arc<Context>,
    request: Request<Incoming>,
) -> Result<Response<Body>, NoAnswer> {
    let (parts, _) = request.into_parts();
    if !asked::is_for_us(&parts, context.port) {
        tracing::warn!("web client: refused: the request is not for this machine and port");
        return Err(NoAnswer);
    }
    let page = asked::page(&parts.headers);
    match parts.method {
        Method::GET => {}
        Method::OPTIONS => return Ok(answer::preflight(page.as_ref())),
        _ => return Err(NoAnswer),
    }
    let Some(query) = parts.uri.query() else {
        return Ok(answer::image(false, None));
    };
    let trigger = Trigger::parse(query).map_err(|error| {
        tracing::warn!("web client: refused: {error}");
        NoAnswer
    })?;
    let Ok(Ok(turn)) =
        tokio::time::timeout(TURN_WITHIN, context.turn.clone().acquire_owned()).await
    else {
        tracing::warn!("web client: refused: another page's card is attached, or asked about");
        return Err(NoAnswer);
    };
    let allowed = page.clone();
    match in_turn(context, trigger, page, turn).await {
        Outcome::Passed => Ok(answer::image(true, allowed.as_ref())),
        Outcome::Failed => Ok(answer::image(false, allowed.as_ref())),
        Outcome::Nothing => Err(NoAnswer),
    }
}

/// Does it on a thread of its own. If the browser gives up first, the question disappears and the card is reset.
async fn in_turn(
    context: Arc<Context>,
    trigger: Trigger,
    page: Option<crate::origin::Origin>,
    turn: OwnedSemaphorePermit,
) -> Outcome {
    let patience = Patience::minutes(5);
    let stop = Arc::new(Stop::default());
    let _cancel = CancelOnDrop(patience.clone());
    let _stop = StopOnDrop(stop.clone());
    let done = tokio::task::spawn_blocking(move || {
        let WebClient { helper, reader } = &context.client;
        session::run(helper, &trigger, page, reader, turn, &patience, &stop)
    });
    done.await.unwrap_or(Outcome::Failed)
}

struct StopOnDrop(Arc<Stop>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        let stop = self.0.clone();
        // Waits for a card that is at work.
        std::thread::spawn(move || stop.stop());
    }
}
