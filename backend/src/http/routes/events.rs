//! Live events over a WebSocket.

use std::time::Duration;

use axum::{
    extract::{
        State,
        ws::{
            Message, Utf8Bytes, WebSocket, WebSocketUpgrade, rejection::WebSocketUpgradeRejection,
        },
    },
    response::Response,
};
use countersign_protocol::{event::Event, operator::Role};
use utoipa_axum::routes;

use super::hsms::seen_by;
use crate::{
    activation::Activations,
    http::{
        auth::{Caller, LiveCaller},
        problem::ApiError,
        routes::Handler,
    },
    views::{Announcement, Announcements, Subscription, Views, Who},
};

const PING: Duration = Duration::from_secs(20);
/// Largest event, in bytes. Events have no lists of files.
const LARGEST_EVENT: usize = 4 * 1024 * 1024;

pub fn routes() -> Vec<Handler> {
    vec![routes!(open)]
}

/// Opens a WebSocket on which the server sends events. It closes when the session ends or the token is revoked.
#[utoipa::path(
    get, path = "/events", operation_id = "openEvents",
    responses((status = 101, description = "The WebSocket is open; each text message is one event", body = Event)),
)]
async fn open(
    State(announcements): State<Announcements>,
    State(activations): State<Activations>,
    State(views): State<Views>,
    mut listener: LiveCaller,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, ApiError> {
    let upgrade = upgrade?;
    let events = announcements.subscribe(who(listener.now().await?))?;
    let socket = Socket {
        activations,
        views,
        listener,
        events,
    };
    Ok(upgrade
        .max_message_size(1024)
        // Clients send next to nothing, and each socket keeps its buffers.
        .read_buffer_size(1024)
        .write_buffer_size(1024)
        .max_write_buffer_size(LARGEST_EVENT)
        .on_upgrade(move |connection| socket.serve(connection)))
}

fn who(caller: &Caller) -> Who {
    match caller {
        Caller::Session { session, .. } => Who::Person(session.person.id.clone()),
        Caller::Token { token, .. } => Who::Token(token.clone()),
    }
}

fn is_for(event: &Event, caller: &Caller) -> bool {
    match event {
        Event::Activation { activation } => caller.sees(&activation.terms),
        Event::Audit { .. } | Event::People => caller.sees_all(),
        Event::Acts => matches!(caller, Caller::Session { .. }),
        Event::Devices => caller.is(Role::Admin),
        Event::Hsm { .. } | Event::Resync => true,
    }
}

/// A client's open WebSocket.
struct Socket {
    activations: Activations,
    views: Views,
    listener: LiveCaller,
    events: Subscription,
}

impl Socket {
    async fn serve(mut self, mut connection: WebSocket) {
        let mut ping = tokio::time::interval(PING);
        loop {
            let event = tokio::select! {
                event = self.events.next() => match event {
                    Some(event) => Some(event),
                    None => return,
                },
                _ = ping.tick() => None,
                received = connection.recv() => match received {
                    // Messages of clients are ignored.
                    Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                    Some(Ok(_)) => continue,
                },
            };
            let Ok(caller) = self.listener.now().await else {
                return;
            };
            let message = match event {
                Some(event) if !is_for(&event.event, caller) => continue,
                Some(event) => match text(&self.views, &event, caller).await {
                    Some(text) => Message::Text(text),
                    None => return,
                },
                None => {
                    // A page of the portal may be open all day, but a program listens only while it waits for its activation.
                    if let Caller::Token { session, .. } = caller {
                        self.activations
                            .attendance()
                            .note_listener(&session.person.id);
                    }
                    Message::Ping(Vec::new().into())
                }
            };
            if connection.send(message).await.is_err() {
                return;
            }
        }
    }
}

/// The event as JSON, as this caller may see it; `None` if reading or encoding it fails.
async fn text(views: &Views, announced: &Announcement, caller: &Caller) -> Option<Utf8Bytes> {
    match &announced.event {
        Event::Hsm { hsm } if !caller.sees_all() => {
            let hsm = seen_by(views, caller, hsm.as_ref().clone()).await.ok()?;
            let event = Event::Hsm { hsm: Box::new(hsm) };
            serde_json::to_string(&event).ok().map(Utf8Bytes::from)
        }
        _ => announced.json.clone().try_into().ok(),
    }
}
