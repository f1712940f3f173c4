//! A page's wish that a card be attached to a server.

use super::Origin;

/// Who asks, and whom the card would hear. Allowed together: another page may mean harm with a server that is harmless.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Attaching {
    /// The page; `None`: the request does not say, or not in a way that can be believed.
    pub page: Option<Origin>,
    /// The server that would send commands.
    pub server: Origin,
}

impl std::fmt::Display for Attaching {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.page {
            Some(page) => write!(f, "a card for {}, asked by {page}", self.server),
            None => write!(f, "a card for {}, asked by an unknown page", self.server),
        }
    }
}
