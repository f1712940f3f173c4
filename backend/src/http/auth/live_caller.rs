//! Looks up the caller of a long poll or WebSocket again, because its session or token can end while it waits.

use std::time::{Duration, Instant};

use axum::{
    extract::{FromRef, FromRequestParts},
    http::request::Parts,
};
use countersign_protocol::problem::ProblemCode;

use super::{Authenticator, Caller, authenticate::Identified};
use crate::http::{self, problem::ApiError};

/// How long a look-up is used. It is short because sessions and tokens can expire without a change of people or tokens.
const FRESH: Duration = Duration::from_secs(1);

/// The caller of a WebSocket or of a request that waits.
pub struct LiveCaller {
    auth: Authenticator,
    caller: Caller,
    /// The request that carried the credential.
    request: Parts,
    generation: u64,
    since: Instant,
}

impl FromRequestParts<http::State> for LiveCaller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &http::State) -> Result<Self, ApiError> {
        let identified = Identified::take(parts)?;
        Ok(Self {
            caller: identified.caller,
            request: parts.clone(),
            auth: Authenticator::from_ref(state),
            generation: identified.generation,
            since: identified.since,
        })
    }
}

impl LiveCaller {
    /// Returns the caller with their current roles.
    ///
    /// # Errors
    /// `not-authenticated`: the credential is no longer accepted, or now belongs to another caller.
    pub async fn now(&mut self) -> Result<&Caller, ApiError> {
        let generation = self.auth.people().generation();
        if self.generation != generation || self.since.elapsed() >= FRESH {
            let since = Instant::now();
            // A waiting request must not extend the session, because the person may have left.
            let caller = self.auth.look_up_again(&self.caller, &self.request).await?;
            if caller.actor() != self.caller.actor() {
                return Err(ApiError::new(
                    ProblemCode::NotAuthenticated,
                    "your session changed: reload the page and try again",
                ));
            }
            (self.caller, self.generation, self.since) = (caller, generation, since);
        }
        Ok(&self.caller)
    }
}
