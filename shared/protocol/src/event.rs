//! Live events of `GET /api/v1/events`, a WebSocket on which only the server sends.

use serde::{Deserialize, Serialize};

use crate::{activation::ActivationView, hsm::HsmView};

/// A change. Events about activations and HSMs carry the new state, so that a client needs no second request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum Event {
    /// An activation changed.
    Activation {
        /// The activation after the change.
        activation: Box<ActivationView>,
    },
    /// An HSM changed.
    Hsm {
        /// The HSM after the change.
        hsm: Box<HsmView>,
    },
    /// People, invitations or tokens changed. The client has to fetch them again.
    People,
    /// An act changed. The client has to fetch the acts again.
    Acts,
    /// The list of devices that wait to be accepted changed. The client has to fetch it again.
    Devices,
    /// The audit log has new entries.
    Audit {
        /// The number of entries in the log.
        total: u64,
    },
    /// The client missed events and has to fetch everything again.
    Resync,
}
