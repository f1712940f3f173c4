//! Live events: a WebSocket to the server, opened again whenever it is lost.

use countersign_protocol::event::Event;
use gloo_timers::future::TimeoutFuture;
use leptos::{prelude::*, task::spawn_local};

use crate::{
    browser,
    later::later,
    portal::{Connection, Portal, Session},
    socket::{Socket, SocketEvent},
};

const FIRST_PAUSE: u32 = 1_000;
const LONGEST_PAUSE: u32 = 15_000;

/// Keeps the store current for as long as somebody is logged in; call once.
pub fn follow(portal: Portal) {
    let logged_in = Memo::new(move |_| portal.me().map(|me| me.person.id));
    // Counts log-ins and log-outs: a loop of an earlier one ends itself.
    let turn = StoredValue::new(0_u32);
    Effect::new(move |_| {
        turn.update_value(|turn| *turn += 1);
        let mine = turn.get_value();
        if logged_in.get().is_some() {
            portal.connection.set(Connection::Connecting);
            spawn_local(async move {
                let mut pause = FIRST_PAUSE;
                while turn.get_value() == mine {
                    if listen(portal).await {
                        pause = FIRST_PAUSE;
                    }
                    if turn.get_value() != mine {
                        return;
                    }
                    portal.connection.set(Connection::Lost);
                    TimeoutFuture::new(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                    // Where a session has ended, the socket only fails; this says why.
                    portal.refresh().await;
                }
            });
        }
    });
}

/// One connection, until it is lost; returns whether there was one.
async fn listen(portal: Portal) -> bool {
    let url = browser::origin().replacen("http", "ws", 1) + "/api/v1/events";
    let (sender, closed) = later();
    let sender = std::cell::Cell::new(Some(sender));
    let connected = std::rc::Rc::new(std::cell::Cell::new(false));
    let was_connected = connected.clone();
    let socket = Socket::open(&url, move |event| match event {
        SocketEvent::Open => {
            connected.set(true);
            portal.connection.set(Connection::Live);
            // What happened before the first event is asked for.
            spawn_local(portal.refresh());
        }
        SocketEvent::Text(_) if portal.session.get_untracked() == Session::Out => {
            drop(sender.take());
        }
        SocketEvent::Text(text) => {
            if let Ok(event) = serde_json::from_str(&text) {
                take(portal, event);
            }
        }
        SocketEvent::Closed => drop(sender.take()),
    });
    if socket.is_some() {
        let _: Option<()> = closed.await;
    }
    was_connected.get()
}

fn take(portal: Portal, event: Event) {
    match event {
        Event::Activation { activation } => portal.put_activation(*activation),
        Event::Hsm { hsm } => portal.tell_hsm(*hsm),
        Event::People => {
            portal.people_changed.update(|count| *count += 1);
            spawn_local(async move {
                if let Err(problem) = portal.refresh_operators().await {
                    portal.failed(problem);
                }
            });
        }
        Event::Devices => portal.devices_changed.update(|count| *count += 1),
        Event::Audit { total } => portal.audit_total.set(total),
        Event::Resync => {
            portal.people_changed.update(|count| *count += 1);
            portal.devices_changed.update(|count| *count += 1);
            spawn_local(portal.refresh());
        }
    }
}
