//! Live events: a WebSocket to the server that reconnects whenever it is lost.

use countersign_protocol::event::Event;
use gloo_timers::future::TimeoutFuture;
use leptos::{prelude::*, task::spawn_local};

use crate::{
    browser, oneshot,
    portal::{Connection, Portal, Session},
    socket::{Socket, SocketEvent},
};

const FIRST_PAUSE: u32 = 1_000;
const LONGEST_PAUSE: u32 = 15_000;

/// Keeps the store up to date while a person is logged in. The app calls this once.
pub fn follow(portal: Portal) {
    let person = Memo::new(move |_| portal.me().map(|me| me.person.id));
    // Grows with every log-in and log-out, so that the loop of an earlier session ends.
    let session = StoredValue::new(0_u32);
    Effect::new(move |_| {
        session.update_value(|number| *number += 1);
        let mine = session.get_value();
        if person.get().is_some() {
            portal.connection.set(Connection::Connecting);
            spawn_local(async move {
                let mut pause = FIRST_PAUSE;
                while session.get_value() == mine {
                    if listen(portal).await {
                        pause = FIRST_PAUSE;
                    }
                    if session.get_value() != mine {
                        return;
                    }
                    portal.connection.set(Connection::Lost);
                    TimeoutFuture::new(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                    // If the session has ended, the socket fails without a reason. This request detects the end.
                    portal.refresh().await;
                }
            });
        }
    });
}

/// Handles one connection until it is lost; returns whether it was established.
async fn listen(portal: Portal) -> bool {
    let url = browser::origin().replacen("http", "ws", 1) + "/api/v1/events";
    let (sender, closed) = oneshot::channel();
    let sender = std::cell::Cell::new(Some(sender));
    let connected = std::rc::Rc::new(std::cell::Cell::new(false));
    let was_connected = connected.clone();
    let socket = Socket::open(&url, move |event| match event {
        SocketEvent::Open => {
            connected.set(true);
            portal.connection.set(Connection::Live);
            // Catches up on the events before this connection.
            spawn_local(portal.refresh());
        }
        SocketEvent::Text(_) if portal.session.get_untracked() == Session::Out => {
            drop(sender.take());
        }
        SocketEvent::Text(text) => {
            if let Ok(event) = serde_json::from_str(&text) {
                apply(portal, event);
            }
        }
        SocketEvent::Closed => drop(sender.take()),
    });
    if socket.is_some() {
        let _: Option<()> = closed.await;
    }
    was_connected.get()
}

fn apply(portal: Portal, event: Event) {
    match event {
        Event::Activation { activation } => portal.put_activation(*activation),
        Event::Hsm { hsm } => portal.apply_hsm_event(*hsm),
        Event::People => {
            portal.people_changed.update(|count| *count += 1);
            spawn_local(async move {
                if let Err(problem) = portal.refresh_operators().await {
                    portal.report(problem);
                }
            });
        }
        Event::Acts => spawn_local(async move {
            if let Err(problem) = portal.refresh_acts().await {
                portal.report(problem);
            }
        }),
        Event::Devices => portal.devices_changed.update(|count| *count += 1),
        Event::Audit { total } => portal.audit_total.set(total),
        Event::Resync => {
            portal.people_changed.update(|count| *count += 1);
            portal.devices_changed.update(|count| *count += 1);
            spawn_local(portal.refresh());
        }
    }
}
