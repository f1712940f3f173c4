//! What changed, for every part of the server that shows or waits for something.

use countersign_protocol::id::{ActivationId, HsmId};
use tokio::sync::broadcast;

/// Changes that a slow listener may lag behind before it has to read everything again.
const BACKLOG: usize = 1024;

/// Something that changed. It names the thing; whoever needs its present state reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// An activation, on whichever of its HSMs.
    Activation(ActivationId),
    /// An HSM or its keys.
    Hsm(HsmId),
    /// Operators, invitations or tokens.
    People,
    /// Devices that wait to be accepted.
    Devices,
    /// The audit log.
    Audit {
        /// Its number of entries.
        total: u64,
    },
    /// More than can be listed.
    Everything,
}

/// Carries changes from those that make them to those that listen. Clones share one channel.
#[derive(Clone, Debug)]
pub struct Changes(broadcast::Sender<Change>);

impl Default for Changes {
    fn default() -> Self {
        Self(broadcast::Sender::new(BACKLOG))
    }
}

impl Changes {
    /// Reports a change to every listener.
    pub fn publish(&self, change: Change) {
        // An error only says that there are no listeners at the moment.
        let _ = self.0.send(change);
    }

    /// Receives changes from now on.
    pub fn subscribe(&self) -> broadcast::Receiver<Change> {
        self.0.subscribe()
    }
}
