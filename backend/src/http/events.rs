//! Live events over a WebSocket.

use std::time::Duration;

use axum::{
    Router,
    extract::{
        State,
        ws::{Message, WebSocket, WebSocketUpgrade, rejection::WebSocketUpgradeRejection},
    },
    response::Response,
    routing::get,
};
use countersign_protocol::{event::Event, operator::Role};
use tokio::sync::broadcast::error::RecvError;

use super::{extract::Caller, hsms, lasting::Lasting, problem::ApiError};
use crate::{app::App, store::StoreError};

const PING: Duration = Duration::from_secs(20);

pub fn routes() -> Router<App> {
    Router::new().route("/events", get(open))
}

async fn open(
    State(app): State<App>,
    listener: Lasting,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, ApiError> {
    let upgrade = upgrade?;
    let events = app.events.subscribe();
    Ok(upgrade
        .max_message_size(1024)
        .on_upgrade(move |socket| serve(app, socket, listener, events)))
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
    mut listener: Lasting,
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
        let Ok(caller) = listener.now(&app).await else {
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
