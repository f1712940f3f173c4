//! The statement with which the holder of a key accepts an invitation.

use countersign_cvc::Fingerprint;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{dsse::Payload, id::InvitationId};

/// An enrolment, which ties a key to a person and a server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EnrolmentStatement {
    /// The origin of the page, as the browser reported it to the helper.
    pub origin: String,
    /// The identity key of the server.
    pub server_key: Fingerprint,
    /// The accepted invitation.
    pub invitation: InvitationId,
    /// The name of the person, as the consent window showed it.
    pub person: String,
    /// The nonce of the server's task, which is used once.
    pub nonce: String,
    /// The key that is enrolled, which also signs this statement.
    pub key: Fingerprint,
    /// The time by the clock of the helper's computer.
    pub at: Timestamp,
}

impl Payload for EnrolmentStatement {
    const PAYLOAD_TYPE: &'static str = "application/vnd.countersign.enrolment+json";
}
