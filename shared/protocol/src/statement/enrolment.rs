//! "This key is mine, and I accept this invitation with it."

use countersign_cvc::Fingerprint;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{dsse::Payload, id::InvitationId};

/// Enrolment statement: this key, this person, this server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EnrolmentStatement {
    /// Origin of the page, as the browser reported it to the helper.
    pub origin: String,
    /// Identity key of the server.
    pub server_key: Fingerprint,
    /// The invitation that is accepted.
    pub invitation: InvitationId,
    /// The person's name as it was shown in the consent.
    pub person: String,
    /// The server's nonce, used once.
    pub nonce: String,
    /// The key that is enrolled, which also signs this statement.
    pub key: Fingerprint,
    /// The helper's clock.
    pub at: Timestamp,
}

impl Payload for EnrolmentStatement {
    const PAYLOAD_TYPE: &'static str = "application/vnd.countersign.enrolment+json";
}
