//! Where cards come from.

use std::sync::Arc;

use countersign_card::{Transport, TransportError};

/// A reader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reader {
    /// Name; unique within its source.
    pub name: String,
    /// Whether a card is in it.
    pub occupied: bool,
}

/// Readers of one kind. All methods block.
pub trait CardSource: Send + Sync {
    /// The readers that are here now.
    ///
    /// # Errors
    /// [`TransportError`]: none of the readers can be used.
    fn readers(&self) -> Result<Vec<Reader>, TransportError>;

    /// Connects to the card in a reader, for this program alone until the connection is dropped.
    ///
    /// # Errors
    /// [`TransportError`].
    fn connect(&self, reader: &str) -> Result<Box<dyn Transport>, TransportError>;

    /// Calls `changed` whenever a card or reader comes or goes, for as long as the program runs.
    fn watch(self: Arc<Self>, changed: Box<dyn Fn() + Send>);
}
