//! Tasks: what a server asks a helper to do. Signed by the server's identity key, relayed by the portal.

use countersign_cvc::{Fingerprint, PublicKey};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    activation::ActivationTerms, dsse::Payload, encoding::Base64, id::InvitationId, operator::Role,
};

/// Name, place and identity key of a server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServerIdentity {
    /// Name for people.
    pub name: String,
    /// Origin of its portal: scheme, host and port.
    pub origin: String,
    /// Identity key; helpers pin its fingerprint with the origin.
    pub key: PublicKey,
}

/// A task and who gives it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServerTask {
    /// The server; the envelope is signed by this key.
    pub server: ServerIdentity,
    /// A helper refuses the task after this time.
    pub expires_at: Timestamp,
    /// What is to be done.
    pub task: Task,
}

/// The closed list of tasks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    tag = "type",
    rename_all = "kebab-case",
    rename_all_fields = "camelCase"
)]
pub enum Task {
    /// Sign a [`crate::statement::LoginStatement`].
    LogIn {
        /// To be signed along; used once.
        nonce: String,
    },
    /// Sign a [`crate::statement::EnrolmentStatement`] with the key that is enrolled.
    Enrol {
        /// The invitation.
        invitation: InvitationId,
        /// The person who was invited.
        person: String,
        /// Roles offered.
        roles: Vec<Role>,
        /// To be signed along; used once.
        nonce: String,
    },
    /// Sign an [`crate::statement::Approval`] and the PKA response.
    Approve(Box<ApproveTask>),
}

/// Everything that a helper needs to show, verify and sign an approval.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ApproveTask {
    /// What was asked for.
    pub terms: ActivationTerms,
    /// EF 2F02 of the signing HSM: device and issuer certificate. The helper verifies the chain itself.
    pub device_certificates: Base64,
    /// The HSM's challenge, 8 to 32 bytes.
    pub challenge: Base64,
    /// The custodian's registered key.
    pub key: Fingerprint,
    /// Names of custodians who have authenticated already.
    pub authenticated: Vec<String>,
}

impl Payload for ServerTask {
    const PAYLOAD_TYPE: &'static str = "application/vnd.countersign.task+json";
}
