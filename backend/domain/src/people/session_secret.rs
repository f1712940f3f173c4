//! The secret of a session of the portal.

use std::{fmt, time::Duration};

use countersign_protocol::digest::Sha256Digest;
use zeroize::Zeroizing;

use crate::random::{self, RandomError};

/// Characters of a secret, with 5 bits of entropy each.
const SECRET: usize = 52;

/// The secret of a session, which only the browser stores. The server stores its SHA-256.
pub struct SessionSecret(Zeroizing<String>);

impl SessionSecret {
    pub fn new() -> Result<Self, RandomError> {
        random::random(SECRET).map(Self::presented)
    }

    /// The secret in the cookie of a request.
    pub fn presented(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    /// The secret for the cookie of a response.
    pub fn expose(&self) -> &str {
        &self.0
    }

    pub fn hash(&self) -> Sha256Digest {
        Sha256Digest::of(self.0.as_bytes())
    }
}

impl fmt::Debug for SessionSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionSecret")
    }
}

/// A new secret for the browser.
#[derive(Debug)]
pub struct NewSecret {
    pub secret: SessionSecret,
    /// How long the session can last.
    pub lasts: Duration,
}
