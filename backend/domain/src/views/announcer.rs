//! Turns changes into the events that listeners get: one view each, whoever listens.

use countersign_protocol::event::Event;
use tokio::sync::broadcast::{
    Receiver, Sender,
    error::{RecvError, TryRecvError},
};

use super::Views;
use crate::{
    activation::ActivationError,
    events::{Change, Changes},
};

/// Events that a slow listener may lag behind before it has to read everything again.
const BACKLOG: usize = 1024;

/// Carries events to listeners. Clones share one channel.
#[derive(Clone)]
pub struct Announcements(Sender<Event>);

impl Announcements {
    /// Receives events from now on.
    pub fn subscribe(&self) -> Receiver<Event> {
        self.0.subscribe()
    }
}

/// Starts to announce changes; ends when nothing can change any more.
pub fn announce(views: Views, changes: &Changes) -> Announcements {
    let events = Sender::new(BACKLOG);
    let announcements = Announcements(events.clone());
    let changes = changes.subscribe();
    tokio::spawn(run(views, changes, events));
    announcements
}

async fn run(views: Views, mut changes: Receiver<Change>, events: Sender<Event>) {
    loop {
        let mut pending = match changes.recv().await {
            Ok(change) => vec![change],
            Err(RecvError::Lagged(_)) => vec![Change::Everything],
            Err(RecvError::Closed) => return,
        };
        // What has changed several times meanwhile is shown once, as it is now.
        loop {
            match changes.try_recv() {
                Ok(change) => {
                    pending.retain(|before| !replaces(&change, before));
                    pending.push(change);
                }
                Err(TryRecvError::Lagged(_)) => pending = vec![Change::Everything],
                Err(TryRecvError::Empty | TryRecvError::Closed) => break,
            }
        }
        if events.receiver_count() == 0 {
            continue;
        }
        for change in pending {
            let event = match event(&views, &change).await {
                Ok(event) => event,
                Err(error) => {
                    tracing::error!(?change, %error, "a change could not be announced");
                    Event::Resync
                }
            };
            // An error only says that the last listener has left.
            let _ = events.send(event);
        }
    }
}

fn replaces(change: &Change, before: &Change) -> bool {
    match (change, before) {
        (Change::Audit { .. }, Change::Audit { .. }) => true,
        (change, before) => change == before,
    }
}

async fn event(views: &Views, change: &Change) -> Result<Event, ActivationError> {
    Ok(match change {
        Change::Activation(id) => Event::Activation {
            activation: Box::new(views.activation(id).await?),
        },
        Change::Hsm(id) => match views.hsms().get(id) {
            Ok(hsm) => Event::Hsm {
                hsm: Box::new(views.hsm(&hsm).await?),
            },
            // It was removed meanwhile.
            Err(_) => Event::Resync,
        },
        Change::People => Event::People,
        Change::Devices => Event::Devices,
        Change::Audit { total } => Event::Audit { total: *total },
        Change::Everything => Event::Resync,
    })
}
