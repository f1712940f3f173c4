//! The statement with which a person signs an act.

use countersign_cvc::Fingerprint;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{act::ActTerms, dsse::Payload};

/// The signature of an act.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ActStatement {
    /// The act, with the facts that the consent window showed.
    pub terms: ActTerms,
    /// The origin of the page, as the browser reported it to the helper. The server rejects an act from another origin.
    pub origin: String,
    /// The identity key of the server.
    pub server_key: Fingerprint,
    /// The key that signs this statement.
    pub key: Fingerprint,
    /// The time by the clock of the helper's computer.
    pub at: Timestamp,
}

impl Payload for ActStatement {
    const PAYLOAD_TYPE: &'static str = "application/vnd.countersign.administration+json";
}
