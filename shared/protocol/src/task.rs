//! Tasks: what a server requests from a helper. The server's identity key signs them, and the portal relays them.

use countersign_cvc::{Fingerprint, PublicKey};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    act::ActTerms, activation::ActivationTerms, dsse::Payload, encoding::Base64, id::InvitationId,
    operator::Role,
};

/// The name, address and identity key of a server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct ServerIdentity {
    /// The name for people.
    pub name: String,
    /// The origin of the portal: scheme, host and port.
    pub origin: String,
    /// The identity key. Helpers pin its fingerprint to the origin.
    pub key: PublicKey,
}

/// A task and the server that issued it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct ServerTask {
    /// The server, whose key signs the envelope.
    pub server: ServerIdentity,
    /// The time after which helpers reject the task.
    pub expires_at: Timestamp,
    /// The task.
    pub task: Task,
}

/// The tasks that a helper can perform.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum Task {
    /// Sign a [`crate::statement::LoginStatement`].
    LogIn {
        /// A value that is used once and becomes part of the statement.
        nonce: String,
    },
    /// Sign a [`crate::statement::EnrolmentStatement`] with the key that is enrolled.
    Enrol {
        /// The invitation.
        invitation: InvitationId,
        /// The name of the invited person.
        person: String,
        /// The roles that the person will have.
        roles: Vec<Role>,
        /// A value that is used once and becomes part of the statement.
        nonce: String,
    },
    /// Sign an [`crate::statement::Approval`] and the PKA response.
    Approve(Box<ApproveTask>),
    /// Sign a [`crate::statement::ActStatement`].
    SignAct(Box<ActTask>),
}

/// Everything that a helper needs to show and sign an act.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct ActTask {
    /// The act.
    pub terms: ActTerms,
    /// The key of the person who signs.
    pub key: Fingerprint,
    /// The names of the people who have already signed.
    pub signed_by: Vec<String>,
}

/// Everything that a helper needs to show, verify and sign an approval.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct ApproveTask {
    /// The terms of the request.
    pub terms: ActivationTerms,
    /// EF 2F02 of the signing HSM: the device certificate and its issuer's certificate. The helper verifies the chain
    /// itself.
    pub device_certificates: Base64,
    /// The challenge of the HSM, which has 8 bytes.
    pub challenge: Base64,
    /// Whether the HSM is plugged into another machine than the server's. It is only the server's claim.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub remote: bool,
    /// The custodian's registered key.
    pub key: Fingerprint,
    /// The names of the custodians who have already approved.
    pub approved_by: Vec<String>,
}

impl Payload for ServerTask {
    const PAYLOAD_TYPE: &'static str = "application/vnd.countersign.task+json";
}
