//! State of the connection to the helper.

use countersign_protocol::helper::ReaderView;

/// States of the connection that call for different actions.
#[derive(Clone, PartialEq, Eq)]
pub enum Status {
    /// No page has needed the helper yet.
    Unused,
    /// The connection is being established.
    Connecting,
    /// Connecting takes longer than usual, because the helper or the browser prompts the user for a permission.
    Prompting,
    /// No program listens on the helper's port.
    NotRunning,
    /// The user denied the permission, or did not decide in time.
    Denied,
    /// The browser is set to block connections from this site to this computer.
    Blocked,
    /// The helper speaks another version of the messages.
    OtherVersion { message: String },
    /// An established connection was lost.
    Lost,
    /// The helper is connected.
    Ready {
        version: String,
        /// Whether simulated cards are in use.
        demo: bool,
        /// Readers with their cards.
        readers: Vec<ReaderView>,
    },
}

impl Status {
    /// Whether requests can be sent.
    pub fn is_ready(&self) -> bool {
        matches!(self, Self::Ready { .. })
    }

    /// Whether the link retries automatically.
    pub fn may_retry(&self) -> bool {
        matches!(self, Self::NotRunning | Self::Lost)
    }
}
