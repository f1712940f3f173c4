//! "I, holder of this key, log in to this server from this origin."

use countersign_cvc::Fingerprint;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::dsse::Payload;

/// Log-in statement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LoginStatement {
    /// Origin of the page, as the browser reported it to the helper: another origin's log-in is worthless here.
    pub origin: String,
    /// Identity key of the server.
    pub server_key: Fingerprint,
    /// The server's nonce, used once.
    pub nonce: String,
    /// The signing key.
    pub key: Fingerprint,
    /// The helper's clock.
    pub at: Timestamp,
}

impl Payload for LoginStatement {
    const PAYLOAD_TYPE: &'static str = "application/vnd.countersign.login+json";
}
