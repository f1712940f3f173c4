//! Log-in to the portal.

use countersign_cvc::Fingerprint;
use serde::{Deserialize, Serialize};

use crate::{
    dsse::Envelope,
    operator::{Person, Role},
};

/// The response to `POST /api/v1/session/challenge`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct LoginChallenge {
    /// The task for the helper.
    pub task: Envelope,
}

/// The body of `POST /api/v1/session`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct LogIn {
    /// The signed log-in.
    pub statement: Envelope,
}

/// The response to `GET /api/v1/session`: the identity of the caller.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct SessionView {
    /// The person who is logged in, or for whom the API token acts.
    pub person: Person,
    /// The roles of the caller.
    pub roles: Vec<Role>,
    /// The key that signed the log-in, or `None` for an API token.
    pub key: Option<Fingerprint>,
}
