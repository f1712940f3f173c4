//! The caller of the cloud interface: a program that acts for a requester, never a browser session.

use axum::{
    extract::{FromRef, FromRequestParts},
    http::{header, request::Parts},
};
use countersign_protocol::{audit::Actor, operator::Role, problem::ProblemCode};

use super::inventory::Inventory;
use crate::{
    activation::{OpenLeases, Requester},
    hsm::Hsms,
    http::{
        self,
        auth::{Authenticator, Caller},
        problem::ApiError,
    },
};

/// A program with an API token.
pub struct Program {
    caller: Caller,
    actor: Actor,
}

impl Program {
    /// The requester for whom the program acts.
    pub fn requester(&self) -> Requester<'_> {
        self.caller.requester_as(&self.actor)
    }

    /// The HSMs and keys that the program may use.
    ///
    /// # Errors
    /// The owner of the token no longer has the requester role.
    pub fn inventory(&self, hsms: &Hsms, leases: &OpenLeases) -> Result<Inventory, ApiError> {
        self.caller.require(Role::Requester)?;
        Ok(Inventory::of(hsms, leases, &self.requester()))
    }
}

impl FromRequestParts<http::State> for Program {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &http::State) -> Result<Self, ApiError> {
        let no_token = || {
            ApiError::new(
                ProblemCode::NotAuthenticated,
                "the request carries no API token: send one as in `Authorization: Bearer TOKEN`. Requesters create tokens in the portal",
            )
        };
        let auth = Authenticator::from_ref(state);
        let caller = match auth.identify(parts).await.map(|found| found.caller) {
            Ok(caller @ Caller::Token { .. }) => caller,
            // A page of another site can cause requests with the session cookie, so sessions are rejected.
            Ok(Caller::Session { .. }) => return Err(no_token()),
            Err(error)
                if error.code() == Some(ProblemCode::NotAuthenticated)
                    && !parts.headers.contains_key(header::AUTHORIZATION) =>
            {
                return Err(no_token());
            }
            Err(error) => return Err(error),
        };
        let actor = caller.actor();
        Ok(Self { caller, actor })
    }
}
