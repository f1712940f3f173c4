//! Receipts: the record of who approved an activation and what was signed.

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

/// The receipt of an activation, which is signed by the server's identity key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Receipt {
    /// The server.
    pub server: ServerIdentity,
    /// The activation at the time of the receipt.
    pub activation: ActivationView,
    /// EF 2F02 of the signing HSM, which contains its certificates.
    pub device_certificates: Base64,
    /// The custodians' approvals with the attestations of their keys.
    pub approvals: Vec<ReceiptApproval>,
    /// The signatures that were made.
    pub signatures: Vec<SignatureView>,
    /// The receipts for the other HSMs, if a pool was opened.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub others: Vec<Receipt>,
    /// The time of the receipt.
    pub at: Timestamp,
}

/// The approval of one custodian.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReceiptApproval {
    /// The custodian.
    pub person: Person,
    /// The [`crate::statement::Approval`] in its envelope.
    pub statement: Envelope,
    /// The `.pka` file that attests the custodian's key.
    pub pka: Base64,
}

impl Payload for Receipt {
    const PAYLOAD_TYPE: &'static str = "application/vnd.countersign.receipt+json";
}
