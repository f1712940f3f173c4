//! Live events inside the server.

use countersign_protocol::event::Event;
use tokio::sync::broadcast;

/// Events that a slow listener may lag behind before it has to ask for everything again.
const BACKLOG: usize = 1024;

/// Everybody who wants to know what changed.
#[derive(Clone, Debug)]
pub struct EventBus(broadcast::Sender<Event>);

impl Default for EventBus {
    fn default() -> Self {
        Self(broadcast::Sender::new(BACKLOG))
    }
}

impl EventBus {
    /// Tells everybody who listens.
    pub fn publish(&self, event: Event) {
        // Nobody listening is no error.
        let _ = self.0.send(event);
    }

    /// Listens from now on.
    pub fn subscribe(&self) -> broadcast::Receiver<Event> {
        self.0.subscribe()
    }
}
