//! Live events: `GET /api/v1/events`, a WebSocket; server to client only.

use serde::{Deserialize, Serialize};

use crate::{activation::ActivationView, hsm::HsmView};

/// Something changed. Every event carries the new state, so a client needs no second request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum Event {
    /// An activation.
    Activation {
        /// As it stands now.
        activation: Box<ActivationView>,
    },
    /// An HSM.
    Hsm {
        /// As it stands now.
        hsm: Box<HsmView>,
    },
    /// Operators, invitations or tokens: ask again.
    People,
    /// Devices that wait to be accepted: ask again.
    Devices,
    /// The audit log has grown.
    Audit {
        /// Entries now.
        total: u64,
    },
    /// Events were missed: ask for everything again.
    Resync,
}
