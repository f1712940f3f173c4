//! Live events over a WebSocket.

use std::time::Duration;

use axum::{
    Router,
    extract::{
        State,
        ws::{Message, WebSocket, WebSocketUpgrade},
    },
    response::Response,
    routing::get,
};
use countersign_protocol::{event::Event, operator::Role};
use tokio::sync::broadcast::error::RecvError;

use super::{extract::Caller, hsms::seen_by};
use crate::app::App;

const PING: Duration = Duration::from_secs(20);

pub fn routes() -> Router<App> {
    Router::new().route("/events", get(open))
}

async fn open(State(app): State<App>, caller: Caller, upgrade: WebSocketUpgrade) -> Response {
    let events = app.events.subscribe();
    upgrade
        .max_message_size(1024)
        .on_upgrade(move |socket| serve(app, socket, caller, events))
}

/// Requesters see their own activations only.
fn is_for(event: &Event, caller: &Caller) -> bool {
    match event {
        Event::Activation { activation } => {
            caller.sees_all() || activation.terms.requester.id == caller.person().id
        }
        Event::Audit { .. } | Event::People => caller.sees_all(),
        Event::Devices => caller.is(Role::Admin),
        Event::Hsm { .. } | Event::Resync => true,
    }
}

async fn serve(
    app: App,
    mut socket: WebSocket,
    caller: Caller,
    mut events: tokio::sync::broadcast::Receiver<Event>,
) {
    let mut ping = tokio::time::interval(PING);
    loop {
        let message = tokio::select! {
            event = events.recv() => match event {
                Ok(event) if !is_for(&event, &caller) => continue,
                Ok(Event::Hsm { hsm }) => Event::Hsm {
                    hsm: Box::new(seen_by(&caller, *hsm)),
                },
                Ok(event) => event,
                Err(RecvError::Lagged(_)) => Event::Resync,
                Err(RecvError::Closed) => return,
            },
            _ = ping.tick() => {
                // A portal may be open all day; a program listens for a purpose.
                if let Caller::Token { session, .. } = &caller {
                    app.activations.attendance().listens(&session.person.id);
                }
                if socket.send(Message::Ping(Vec::new().into())).await.is_err() {
                    return;
                }
                continue;
            }
            received = socket.recv() => match received {
                // Clients say nothing here.
                Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                Some(Ok(_)) => continue,
            },
        };
        let Ok(text) = serde_json::to_string(&message) else {
            return;
        };
        if socket.send(Message::text(text)).await.is_err() {
            return;
        }
    }
}
