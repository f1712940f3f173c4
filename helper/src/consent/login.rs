//! Logging in.

use super::{Explained, Signer, with_server};
use crate::{prompt::ConsentText, task::Server};

/// A log-in to be consented to.
#[derive(Clone, Debug)]
pub struct LoginRequest {
    /// Where.
    pub server: Server,
    /// The server's nonce.
    pub nonce: String,
    /// As whom.
    pub signer: Signer,
}

impl Explained for LoginRequest {
    fn text(&self) -> ConsentText {
        with_server(
            ConsentText::new("Countersign: log in?", "Log in"),
            &self.server,
        )
        .fact("Signing as", &self.signer.to_string())
    }
}
