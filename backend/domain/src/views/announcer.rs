//! Turns changes into the events that listeners receive. A view is built once per event, for all listeners.

use std::{
    collections::VecDeque,
    sync::{Arc, Weak},
};

use bytes::Bytes;
use countersign_protocol::event::Event;
use tokio::sync::broadcast::{
    Receiver, Sender,
    error::{RecvError, TryRecvError},
};

use super::{
    Views,
    listeners::{Listeners, Listening, TooManyListeners, Who},
};
use crate::{
    activation::ActivationError,
    events::{Change, Changes},
};

/// Number of events that a slow listener may lag behind. A listener that lags further must read everything again.
const BACKLOG: usize = 1024;
/// Size of the events that are kept for slow listeners, in bytes.
const KEPT: usize = 8 * 1024 * 1024;

/// An event with its JSON, which is made once for all listeners.
pub struct Announcement {
    pub event: Event,
    pub json: Bytes,
}

impl Announcement {
    fn new(event: Event) -> serde_json::Result<Self> {
        let json = serde_json::to_vec(&event)?.into();
        Ok(Self { event, json })
    }
}

/// Broadcasts events to listeners. Clones share one channel.
#[derive(Clone)]
pub struct Announcements {
    events: Sender<Weak<Announcement>>,
    listeners: Listeners,
}

impl Announcements {
    /// Receives the events that are sent after this call.
    ///
    /// # Errors
    /// There are too many listeners.
    pub fn subscribe(&self, who: Who) -> Result<Subscription, TooManyListeners> {
        Ok(Subscription {
            _place: self.listeners.join(who)?,
            events: self.events.subscribe(),
        })
    }
}

/// The events for one listener.
pub struct Subscription {
    _place: Listening,
    events: Receiver<Weak<Announcement>>,
}

impl Subscription {
    /// The next event. After missed events it is [`Event::Resync`]. Returns `None` when the server stops.
    pub async fn next(&mut self) -> Option<Arc<Announcement>> {
        let missed = || Announcement::new(Event::Resync).ok().map(Arc::new);
        match self.events.recv().await {
            Ok(event) => event.upgrade().or_else(missed),
            Err(RecvError::Lagged(_)) => missed(),
            Err(RecvError::Closed) => None,
        }
    }
}

/// Starts a task that announces changes. It ends when every [`Changes`] of this channel is dropped.
pub fn announce(views: Views, changes: &Changes) -> Announcements {
    let events = Sender::new(BACKLOG);
    let announcements = Announcements {
        events: events.clone(),
        listeners: Listeners::default(),
    };
    let changes = changes.subscribe();
    tokio::spawn(run(views, changes, events));
    announcements
}

/// The newest events, which listeners that lag behind can still receive.
#[derive(Default)]
struct Kept {
    events: VecDeque<Arc<Announcement>>,
    bytes: usize,
}

impl Kept {
    fn push(&mut self, event: Arc<Announcement>) {
        self.bytes += event.json.len();
        self.events.push_back(event);
        while self.events.len() > 1 && (self.bytes > KEPT || self.events.len() > BACKLOG) {
            if let Some(oldest) = self.events.pop_front() {
                self.bytes -= oldest.json.len();
            }
        }
    }
}

async fn run(views: Views, mut changes: Receiver<Change>, events: Sender<Weak<Announcement>>) {
    let mut kept = Kept::default();
    loop {
        let mut pending = match changes.recv().await {
            Ok(change) => vec![change],
            Err(RecvError::Lagged(_)) => vec![Change::Everything],
            Err(RecvError::Closed) => return,
        };
        // An object that changed several times is announced once, with its present state.
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
            kept = Kept::default();
            continue;
        }
        for change in pending {
            let event = match event(&views, &change).await {
                Ok(event) => event,
                Err(error) => {
                    tracing::error!(?change, %error, "announcing a change failed");
                    Event::Resync
                }
            };
            match Announcement::new(event).map(Arc::new) {
                Ok(event) => {
                    // An error only means that the last listener has left.
                    let _ = events.send(Arc::downgrade(&event));
                    kept.push(event);
                }
                Err(error) => tracing::error!(?change, %error, "announcing a change failed"),
            }
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
            activation: Box::new(views.summary(id).await?),
        },
        Change::Hsm(id) => match views.hsms().get(id) {
            Ok(hsm) => Event::Hsm {
                hsm: Box::new(views.hsm(&hsm).await?),
            },
            // The HSM was removed meanwhile.
            Err(_) => Event::Resync,
        },
        Change::People => Event::People,
        Change::Acts => Event::Acts,
        Change::Devices => Event::Devices,
        Change::Audit { total } => Event::Audit { total: *total },
        Change::Everything => Event::Resync,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kept_events_are_bounded_in_bytes() {
        let mut kept = Kept::default();
        let large = || {
            Arc::new(Announcement {
                event: Event::People,
                json: vec![0; KEPT / 3].into(),
            })
        };
        let first = large();
        let watched = Arc::downgrade(&first);
        kept.push(first);
        for _ in 0..2 {
            kept.push(large());
            assert!(watched.upgrade().is_some());
        }
        kept.push(large());
        assert!(watched.upgrade().is_none());
        assert!(kept.bytes <= KEPT);
    }
}
