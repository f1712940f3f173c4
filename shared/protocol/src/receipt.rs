//! The receipt: who allowed what, and what was signed.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    activation::ActivationView,
    dsse::{Envelope, Payload},
    encoding::Base64,
    operator::Person,
    signature::SignatureView,
    task::ServerIdentity,
};

/// Receipt of an activation, signed by the server's identity key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Receipt {
    /// The server.
    pub server: ServerIdentity,
    /// The activation as it stands.
    pub activation: ActivationView,
    /// EF 2F02 of the signing HSM.
    pub device_certificates: Base64,
    /// Custodians' approvals with the evidence for their keys.
    pub approvals: Vec<ReceiptApproval>,
    /// Signatures made.
    pub signatures: Vec<SignatureView>,
    /// The same for the other HSMs, if a pool was opened.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub others: Vec<Receipt>,
    /// When the receipt was made.
    pub at: Timestamp,
}

/// One approval.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReceiptApproval {
    /// Who.
    pub person: Person,
    /// The [`crate::statement::Approval`].
    pub statement: Envelope,
    /// The `.pka` triple that attests the custodian's key.
    pub pka: Base64,
}

impl Payload for Receipt {
    const PAYLOAD_TYPE: &'static str = "application/vnd.countersign.receipt+json";
}
