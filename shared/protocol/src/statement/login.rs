//! The statement with which the holder of a key logs in to a server from one origin.

use countersign_cvc::Fingerprint;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::dsse::Payload;

/// A log-in to a server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LoginStatement {
    /// The origin of the page, as the browser reported it to the helper. The server rejects a log-in from another
    /// origin.
    pub origin: String,
    /// The identity key of the server.
    pub server_key: Fingerprint,
    /// The nonce of the server's task, which is used once.
    pub nonce: String,
    /// The key that logs in and signs this statement.
    pub key: Fingerprint,
    /// The time by the clock of the helper's computer.
    pub at: Timestamp,
}

impl Payload for LoginStatement {
    const PAYLOAD_TYPE: &'static str = "application/vnd.countersign.login+json";
}
