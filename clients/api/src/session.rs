//! Public facts about the server, log-in and log-out.

use countersign_protocol::{
    about::About,
    session::{LogIn, LoginChallenge, SessionView},
};

use crate::{client::Client, error::ClientError};

impl Client {
    pub fn about(&self) -> Result<About, ClientError> {
        self.get("/about")
    }

    /// Fetches the task that a helper signs to log in.
    pub fn login_challenge(&self) -> Result<LoginChallenge, ClientError> {
        self.post_empty("/session/challenge", self.timeouts().response)
    }

    /// Logs in. This client and its clones then share the session cookie.
    pub fn log_in(&self, body: &LogIn) -> Result<SessionView, ClientError> {
        self.post("/session", body)
    }

    /// Returns the person and the roles that the server knows the caller by.
    pub fn session(&self) -> Result<SessionView, ClientError> {
        self.get("/session")
    }

    pub fn log_out(&self) -> Result<(), ClientError> {
        self.delete("/session")
    }
}
