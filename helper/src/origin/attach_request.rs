//! A page's request to attach a card to a server.

use super::Origin;

/// The page and the server. The user allows them only together, because a malicious page could misuse a harmless server.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AttachRequest {
    /// The page, or `None` if the request does not identify it in a trustworthy way.
    pub page: Option<Origin>,
    /// The server that would send commands to the card.
    pub server: Origin,
}

impl std::fmt::Display for AttachRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.page {
            Some(page) => write!(f, "a card for {}, requested by {page}", self.server),
            None => write!(
                f,
                "a card for {}, requested by an unknown page",
                self.server
            ),
        }
    }
}
