//! Live events over a WebSocket.

use std::time::{Duration, Instant};

use axum::{
    Router,
    extract::{
        FromRequestParts, State,
        ws::{Message, WebSocket, WebSocketUpgrade},
    },
    http::request::Parts,
    response::Response,
    routing::get,
};
use countersign_protocol::{event::Event, operator::Role};
use tokio::sync::broadcast::error::RecvError;
use tower_sessions::Session;

use super::{extract::Caller, hsms, problem::ApiError};
use crate::{app::App, store::StoreError};

const PING: Duration = Duration::from_secs(20);
/// How long a look-up of the caller is good for what is sent: sessions and tokens end by themselves.
const FRESH: Duration = Duration::from_secs(1);

pub fn routes() -> Router<App> {
    Router::new().route("/events", get(open))
}

async fn open(State(app): State<App>, listener: Listener, upgrade: WebSocketUpgrade) -> Response {
    let events = app.events.subscribe();
    upgrade
        .max_message_size(1024)
        .on_upgrade(move |socket| serve(app, socket, listener, events))
}

/// The caller of a socket, who may be none any more while it is open.
struct Listener {
    caller: Caller,
    /// What they showed.
    request: Parts,
    generation: u64,
    since: Instant,
}

impl FromRequestParts<App> for Listener {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        // Before the look-up: what changes meanwhile is seen next time.
        let (generation, since) = (app.store.people_generation(), Instant::now());
        Ok(Self {
            caller: Caller::from_request_parts(parts, app).await?,
            request: parts.clone(),
            generation,
            since,
        })
    }
}

impl Listener {
    /// The caller as they are now, if they are still the same.
    async fn now(&mut self, app: &App) -> Option<&Caller> {
        if self.generation != app.store.people_generation() || self.since.elapsed() >= FRESH {
            let session = self.request.extensions.get::<Session>();
            if let (Caller::Session(_), Some(session)) = (&self.caller, session) {
                // It remembers what it was.
                session.load().await.ok()?;
            }
            let (generation, since) = (app.store.people_generation(), Instant::now());
            // That a page is still open is no use of a session: nobody may be there.
            let caller = Caller::look_up(&mut self.request, app).await.ok()?;
            if caller.actor() != self.caller.actor() {
                return None;
            }
            (self.caller, self.generation, self.since) = (caller, generation, since);
        }
        Some(&self.caller)
    }
}

fn is_for(event: &Event, caller: &Caller) -> bool {
    match event {
        Event::Activation { activation } => caller.sees(&activation.terms),
        Event::Audit { .. } | Event::People => caller.sees_all(),
        Event::Devices => caller.is(Role::Admin),
        Event::Hsm { .. } | Event::Resync => true,
    }
}

async fn seen_by(app: &App, event: Event, caller: &Caller) -> Result<Event, StoreError> {
    Ok(match event {
        Event::Hsm { hsm } => {
            let mut connection = app.store.read().await?;
            Event::Hsm {
                hsm: Box::new(hsms::seen_by(&mut connection, caller, *hsm).await?),
            }
        }
        other => other,
    })
}

async fn serve(
    app: App,
    mut socket: WebSocket,
    mut listener: Listener,
    mut events: tokio::sync::broadcast::Receiver<Event>,
) {
    let mut ping = tokio::time::interval(PING);
    loop {
        let event = tokio::select! {
            event = events.recv() => match event {
                Ok(event) => Some(event),
                Err(RecvError::Lagged(_)) => Some(Event::Resync),
                Err(RecvError::Closed) => return,
            },
            _ = ping.tick() => None,
            received = socket.recv() => match received {
                // Clients say nothing here.
                Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                Some(Ok(_)) => continue,
            },
        };
        let Some(caller) = listener.now(&app).await else {
            return;
        };
        let message = match event {
            Some(event) if !is_for(&event, caller) => continue,
            Some(event) => {
                let Ok(event) = seen_by(&app, event, caller).await else {
                    return;
                };
                let Ok(text) = serde_json::to_string(&event) else {
                    return;
                };
                Message::text(text)
            }
            None => {
                // A portal may be open all day; a program listens for a purpose.
                if let Caller::Token { session, .. } = caller {
                    app.activations.attendance().listens(&session.person.id);
                }
                Message::Ping(Vec::new().into())
            }
        };
        if socket.send(message).await.is_err() {
            return;
        }
    }
}
