//! Notifications of changes, for the parts of the server that display something or wait for it.

use countersign_protocol::id::{ActivationId, HsmId};
use tokio::sync::broadcast;

/// Number of changes that a slow listener may lag behind. A listener that lags further must read everything again.
const BACKLOG: usize = 1024;

/// The object that changed. A change does not carry the new state, so listeners read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// An activation, on any of its HSMs.
    Activation(ActivationId),
    /// An HSM or its keys.
    Hsm(HsmId),
    /// Operators, invitations or tokens.
    People,
    /// An act.
    Acts,
    /// The list of devices that wait to be accepted.
    Devices,
    /// The audit log, which now has `total` entries.
    Audit { total: u64 },
    /// Many objects: listeners read everything again.
    Everything,
}

/// Broadcasts changes to every listener. Clones share one channel.
#[derive(Clone, Debug)]
pub struct Changes(broadcast::Sender<Change>);

impl Default for Changes {
    fn default() -> Self {
        Self(broadcast::Sender::new(BACKLOG))
    }
}

impl Changes {
    pub fn publish(&self, change: Change) {
        // An error only means that nothing listens at present.
        let _ = self.0.send(change);
    }

    /// Receives the changes that are published after this call.
    pub fn subscribe(&self) -> broadcast::Receiver<Change> {
        self.0.subscribe()
    }
}
