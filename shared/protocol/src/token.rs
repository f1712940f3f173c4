//! API tokens.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{digest::Sha256Digest, id::TokenId, operator::Person};

/// The act that creates an API token. A token acts for the person who created it, and only as a requester.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewToken {
    /// The label, such as the name of the pipeline.
    pub label: String,
    /// The labels or fingerprints of the keys that the token may request. An empty list means every key.
    #[serde(default)]
    pub keys: Vec<String>,
    /// The lifetime in days, from 1 to 366.
    pub days: u16,
    /// A client certificate in PEM. Programs that prove possession of its key when they connect need no secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<String>,
}

/// The result of [`NewToken`], and the only message that contains the secret.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct CreatedToken {
    /// The token.
    pub token: TokenView,
    /// The secret, which programs send as `Authorization: Bearer ...`. The server stores only its hash.
    pub secret: String,
}

/// A token as its owner and admins see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct TokenView {
    /// The identifier of the token.
    pub id: TokenId,
    /// The label.
    pub label: String,
    /// The person for whom the token acts.
    pub owner: Person,
    /// The labels or fingerprints of the keys that the token may request. An empty list means every key.
    pub keys: Vec<String>,
    /// The client certificate that can be used in place of the secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<TokenCertificate>,
    /// The time at which the token was created.
    pub created_at: Timestamp,
    /// The time at which the token expires.
    pub expires_at: Timestamp,
    /// The time of the last use.
    pub last_used_at: Option<Timestamp>,
    /// The time at which the token was revoked.
    pub revoked_at: Option<Timestamp>,
}

/// A client certificate that can be used in place of a token's secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct TokenCertificate {
    /// SHA-256 over the DER of the certificate.
    pub fingerprint: Sha256Digest,
    /// The subject, as in RFC 4514.
    pub subject: String,
    /// The end of the certificate's validity.
    pub not_after: Timestamp,
}
