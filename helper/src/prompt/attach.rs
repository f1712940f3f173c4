//! What is asked before a card is attached to a server because a page wants it.

use super::ConsentText;
use crate::origin::Attaching;

/// The question.
#[derive(Clone, Debug)]
pub struct AttachQuestion {
    /// Who asks, and for which server.
    pub wish: Attaching,
    /// Reader of the card; `None`: there is no card yet.
    pub reader: Option<String>,
}

impl AttachQuestion {
    /// The text, both sides named.
    pub fn text(&self) -> ConsentText {
        let page = self.wish.page.as_ref().map_or(
            "a page that does not say which site it belongs to",
            |page| page.as_str(),
        );
        let reader = self.reader.as_deref();
        ConsentText::new("Countersign: attach a card?", "Attach")
            .fact("Asked by", page)
            .fact("Server", self.wish.server.as_str())
            .fact("Card in", reader.unwrap_or("no reader yet: insert it first"))
            .warning(
                "The server will send commands to this card: it reads what is on it, can change what no PIN protects, and can use \
                 an HSM that custodians open for it. The helper passes no PIN on, and the card is reset afterwards.",
            )
            .warning("Agree only if you have just started this on that page, and both are yours.")
    }

    /// Whether "always" can be offered: any page could be one that says nothing.
    pub const fn may_be_kept(&self) -> bool {
        self.wish.page.is_some()
    }
}
