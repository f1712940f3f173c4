//! API tokens.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{digest::Sha256Digest, id::TokenId, operator::Person};

/// `POST /api/v1/tokens`. A token acts for the operator who made it, as requester and never as more.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewToken {
    /// What it is for, such as the pipeline's name.
    pub label: String,
    /// Keys (label or fingerprint) that it may ask for; empty: every key.
    #[serde(default)]
    pub keys: Vec<String>,
    /// Life time in days; 1 to 366.
    pub days: u16,
    /// A client certificate (PEM). Programs that prove its key when they connect need no secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<String>,
}

/// Answer to [`NewToken`]: the only time the secret is shown.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CreatedToken {
    /// The token.
    pub token: TokenView,
    /// Send as `Authorization: Bearer ...`; the server keeps only its hash.
    pub secret: String,
}

/// A token as its owner and admins see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TokenView {
    /// Id.
    pub id: TokenId,
    /// What it is for.
    pub label: String,
    /// For whom it acts.
    pub owner: Person,
    /// Keys that it may ask for; empty: every key.
    pub keys: Vec<String>,
    /// The client certificate that stands for it, too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<TokenCertificate>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it stops working.
    pub expires_at: Timestamp,
    /// Last use.
    pub last_used_at: Option<Timestamp>,
    /// Withdrawn when.
    pub revoked_at: Option<Timestamp>,
}

/// A client certificate that stands for a token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TokenCertificate {
    /// SHA-256 of its DER.
    pub fingerprint: Sha256Digest,
    /// Subject, as in RFC 4514.
    pub subject: String,
    /// Until when it is valid.
    pub not_after: Timestamp,
}
