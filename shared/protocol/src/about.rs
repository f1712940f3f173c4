//! `GET /api/v1/about`: the facts about a server that need no log-in.

use serde::{Deserialize, Serialize};

use crate::task::ServerIdentity;

/// The loopback port on which the helper listens unless it is configured otherwise.
pub const DEFAULT_HELPER_PORT: u16 = 27183;
/// The path of the helper's WebSocket.
pub const HELPER_PATH: &str = "/v1";

/// The public facts about a server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct About {
    /// The name, origin and identity key of the server.
    pub server: ServerIdentity,
    /// The version of the server program.
    pub version: String,
    /// Whether the server has no admin yet. The portal then requests the one-time code.
    pub needs_bootstrap: bool,
    /// Whether the server accepts simulated cards, which it never does in production.
    pub demo: bool,
    /// The port on which the portal looks for the helper.
    pub helper_port: u16,
}
