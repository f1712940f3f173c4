//! Log-in to the portal.

use countersign_cvc::Fingerprint;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    dsse::Envelope,
    id::SessionId,
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

/// A session of the portal in the response to `GET /api/v1/sessions`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct OpenSession {
    /// The identifier, which is not the session's secret.
    pub id: SessionId,
    /// When the person logged in.
    pub began_at: Timestamp,
    /// When the session was last used, to the minute.
    pub used_at: Timestamp,
    /// When the session ends, even if it is used.
    pub ends_at: Timestamp,
    /// The address from which it was last used.
    pub address: String,
    /// The browser and operating system that logged in, as the browser names them.
    pub browser: String,
    /// Whether this session sent the request.
    pub is_current: bool,
}

/// Why a session ended in another way than by its own log-out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum SessionEnd {
    /// The person ended it from another session, or all of them.
    EndedByPerson,
    /// The same browser logged in again, or the person had too many sessions.
    Replaced,
    /// It was not used for too long, or reached its longest duration.
    Expired,
    /// A secret was used that had been replaced, so somebody else may know it.
    SecretReused,
}
