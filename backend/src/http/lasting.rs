//! A caller for longer than a moment, who may be none any more before the answer is complete.

use std::time::{Duration, Instant};

use axum::{extract::FromRequestParts, http::request::Parts};
use countersign_protocol::problem::ProblemCode;
use tower_sessions::Session;

use super::{extract::Caller, problem::ApiError};
use crate::app::App;

/// How long a look-up is good for what is sent: sessions and tokens end by themselves.
const FRESH: Duration = Duration::from_secs(1);

/// The caller of a socket or of a request that waits.
pub struct Lasting {
    caller: Caller,
    /// What they showed.
    request: Parts,
    generation: u64,
    since: Instant,
}

impl FromRequestParts<App> for Lasting {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        // Before the look-up: what changes meanwhile is seen next time.
        let (generation, since) = (app.store.people_generation(), Instant::now());
        Ok(Self {
            caller: Caller::from_request_parts(parts, app).await?,
            request: parts.clone(),
            generation,
            since,
        })
    }
}

impl Lasting {
    /// The caller as they are now, if they are still the same.
    ///
    /// # Errors
    /// `not-authenticated`: they are not; and the database's.
    pub async fn now(&mut self, app: &App) -> Result<&Caller, ApiError> {
        if self.generation != app.store.people_generation() || self.since.elapsed() >= FRESH {
            let session = self.request.extensions.get::<Session>();
            if let (Caller::Session(_), Some(session)) = (&self.caller, session) {
                // It remembers what it was.
                session.load().await.map_err(ApiError::internal)?;
            }
            let (generation, since) = (app.store.people_generation(), Instant::now());
            // That somebody still waits is no use of a session: nobody may be there.
            let caller = Caller::look_up(&mut self.request, app).await?;
            if caller.actor() != self.caller.actor() {
                return Err(ApiError::new(
                    ProblemCode::NotAuthenticated,
                    "you are somebody else by now: ask again",
                ));
            }
            (self.caller, self.generation, self.since) = (caller, generation, since);
        }
        Ok(&self.caller)
    }
}
