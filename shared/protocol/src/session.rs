//! Portal log-in.

use countersign_cvc::Fingerprint;
use serde::{Deserialize, Serialize};

use crate::{
    dsse::Envelope,
    operator::{Person, Role},
};

/// Answer to `POST /api/v1/session/challenge`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoginChallenge {
    /// A [`crate::task::Task::LogIn`] for the helper.
    pub task: Envelope,
}

/// `POST /api/v1/session`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogIn {
    /// The [`crate::statement::LoginStatement`].
    pub statement: Envelope,
}

/// `GET /api/v1/session`: who am I.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SessionView {
    /// Who.
    pub person: Person,
    /// With which roles.
    pub roles: Vec<Role>,
    /// With which key; `None` for an API token.
    pub key: Option<Fingerprint>,
}
