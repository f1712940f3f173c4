//! `GET /api/v1/about`: what anybody may know of a server.

use serde::{Deserialize, Serialize};

use crate::task::ServerIdentity;

/// The helper's loopback port, unless configured otherwise.
pub const DEFAULT_HELPER_PORT: u16 = 27183;
/// Path of the helper's WebSocket.
pub const HELPER_PATH: &str = "/v1";

/// Public facts of a server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct About {
    /// Name, origin and identity key.
    pub server: ServerIdentity,
    /// Version of the server program.
    pub version: String,
    /// True while no admin exists: the portal then asks for the bootstrap code.
    pub needs_bootstrap: bool,
    /// Simulated cards are accepted. Never true in production.
    pub demo: bool,
    /// Port on which the portal looks for the helper.
    pub helper_port: u16,
}
