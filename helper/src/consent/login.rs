//! The consent to a log-in.

use super::{ConsentSubject, Signer, with_server};
use crate::{prompt::ConsentText, task::Server};

/// A log-in that needs consent.
#[derive(Clone, Debug)]
pub struct LoginRequest {
    pub server: Server,
    /// The server's nonce.
    pub nonce: String,
    pub signer: Signer,
}

impl ConsentSubject for LoginRequest {
    fn text(&self) -> ConsentText {
        with_server(
            ConsentText::new("Countersign: log in", "Log in"),
            &self.server,
        )
        .fact("Your card", &self.signer.to_string())
    }
}
