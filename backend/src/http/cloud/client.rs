//! Who calls: a program that acts for a requester, never a browser's session.

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
    /// As who it asks.
    pub fn requester(&self) -> Requester<'_> {
        self.caller.requester_as(&self.actor)
    }

    /// What it may use.
    ///
    /// # Errors
    /// The owner is no requester any more.
    pub fn inventory(&self, hsms: &Hsms, leases: &OpenLeases) -> Result<Inventory, ApiError> {
        self.caller.require(Role::Requester)?;
        Ok(Inventory::of(hsms, leases, &self.requester()))
    }
}

impl FromRequestParts<http::State> for Program {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &http::State) -> Result<Self, ApiError> {
        let nobody = || {
            ApiError::new(
                ProblemCode::NotAuthenticated,
                "send an API token, as in `Authorization: Bearer TOKEN`: requesters make them in the portal",
            )
        };
        let caller = match Authenticator::from_ref(state).look_up(parts).await {
            Ok(caller @ Caller::Token { .. }) => caller,
            // A page that another site opens brings the session along.
            Ok(Caller::Session(_)) => return Err(nobody()),
            Err(error)
                if error.code() == Some(ProblemCode::NotAuthenticated)
                    && !parts.headers.contains_key(header::AUTHORIZATION) =>
            {
                return Err(nobody());
            }
            Err(error) => return Err(error),
        };
        let actor = caller.actor();
        Ok(Self { caller, actor })
    }
}
