//! A caller that is re-authenticated while a long poll or socket is open.

use std::time::{Duration, Instant};

use axum::{
    extract::{FromRef, FromRequestParts},
    http::request::Parts,
};
use countersign_protocol::problem::ProblemCode;
use tower_sessions::Session;

use super::{Authenticator, Caller};
use crate::http::{self, problem::ApiError};

/// How long a look-up may be used: sessions and tokens expire without a change of people.
const FRESH: Duration = Duration::from_secs(1);

/// The caller of a socket or of a request that waits.
pub struct LiveCaller {
    auth: Authenticator,
    caller: Caller,
    /// The credential as it was shown.
    request: Parts,
    generation: u64,
    since: Instant,
}

impl FromRequestParts<http::State> for LiveCaller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &http::State) -> Result<Self, ApiError> {
        let auth = Authenticator::from_ref(state);
        // Before the look-up, so that a change meanwhile is seen next time.
        let (generation, since) = (auth.people().generation(), Instant::now());
        Ok(Self {
            caller: Caller::from_request_parts(parts, state).await?,
            request: parts.clone(),
            auth,
            generation,
            since,
        })
    }
}

impl LiveCaller {
    /// The caller as they are now.
    ///
    /// # Errors
    /// `not-authenticated`: the credential is no longer accepted, or is another caller's by now.
    pub async fn now(&mut self) -> Result<&Caller, ApiError> {
        let generation = self.auth.people().generation();
        if self.generation != generation || self.since.elapsed() >= FRESH {
            let session = self.request.extensions.get::<Session>();
            if let (Caller::Session(_), Some(session)) = (&self.caller, session) {
                // The session object remembers what it was.
                session.load().await.map_err(ApiError::internal)?;
            }
            let since = Instant::now();
            // Waiting is no use of a session, because nobody may be there.
            let caller = self.auth.look_up(&mut self.request).await?;
            if caller.actor() != self.caller.actor() {
                return Err(ApiError::new(
                    ProblemCode::NotAuthenticated,
                    "your session changed: reload and try again",
                ));
            }
            (self.caller, self.generation, self.since) = (caller, generation, since);
        }
        Ok(&self.caller)
    }
}
