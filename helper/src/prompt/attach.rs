//! The question before a card is attached to a server at a page's request.

use super::ConsentText;
use crate::origin::AttachRequest;

/// The question.
#[derive(Clone, Debug)]
pub struct AttachQuestion {
    pub request: AttachRequest,
    /// The card's reader, or `None` if no reader holds a free card yet.
    pub reader: Option<String>,
}

impl AttachQuestion {
    /// The text, which names both the page and the server.
    pub fn text(&self) -> ConsentText {
        let page = self.request.page.as_ref().map_or(
            "an unknown site (the page did not identify itself)",
            |page| page.as_str(),
        );
        let reader = self.reader.as_deref();
        ConsentText::new("Countersign: attach card", "Attach")
            .fact("Requested by", page)
            .fact("Server", self.request.server.as_str())
            .fact("Reader", reader.unwrap_or("no card yet: insert it first"))
            .warning(
                "The server can read this card, change data that no PIN protects, and use keys that custodians open. The \
                 helper passes no PIN on and resets the card afterwards.",
            )
            .warning("Continue only if you started this on that page and trust both.")
    }

    /// Whether "always" can be offered. A page that does not identify itself could be any page.
    pub const fn can_be_stored(&self) -> bool {
        self.request.page.is_some()
    }
}
