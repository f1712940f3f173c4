//! The interface to readers and their cards.

use std::sync::Arc;

use countersign_card::{Transport, TransportError};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reader {
    /// The name, which is unique within its source.
    pub name: String,
    /// Whether a card is inserted.
    pub occupied: bool,
}

/// Readers of one kind. All methods block.
pub trait CardSource: Send + Sync {
    /// The readers that are connected now.
    ///
    /// # Errors
    /// No reader of this source can be used.
    fn readers(&self) -> Result<Vec<Reader>, TransportError>;

    /// Connects to the card in a reader, exclusively until the connection is dropped.
    ///
    /// # Errors
    /// The reader or its card is missing, fails, or is in use by another program.
    fn connect(&self, reader: &str) -> Result<Box<dyn Transport>, TransportError>;

    /// Calls `changed` whenever a card or reader is added or removed, for as long as the program runs.
    fn watch(self: Arc<Self>, changed: Box<dyn Fn() + Send>);
}
