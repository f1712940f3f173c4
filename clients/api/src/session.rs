//! The server itself, log-in and log-out.

use countersign_protocol::{
    about::About,
    session::{LogIn, LoginChallenge, SessionView},
};

use crate::{client::Client, error::ClientError};

impl Client {
    /// Public facts of the server.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn about(&self) -> Result<About, ClientError> {
        self.get("/about")
    }

    /// The task that a helper signs to log in.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn login_challenge(&self) -> Result<LoginChallenge, ClientError> {
        self.post_empty("/session/challenge", self.timeouts().answer)
    }

    /// Logs in; this client and its clones keep the session's cookie.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn log_in(&self, body: &LogIn) -> Result<SessionView, ClientError> {
        self.post("/session", body)
    }

    /// Who the server takes the caller for.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn session(&self) -> Result<SessionView, ClientError> {
        self.get("/session")
    }

    /// Logs out.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn log_out(&self) -> Result<(), ClientError> {
        self.delete("/session")
    }
}
