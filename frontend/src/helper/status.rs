//! Where the connection to the helper stands.

use countersign_protocol::helper::ReaderView;

/// States that people have to do something different about.
#[derive(Clone, PartialEq, Eq)]
pub enum Status {
    /// No page has needed it.
    Unused,
    /// Trying.
    Connecting,
    /// It takes longer than a connection takes: somebody is being asked, by the helper or by the browser.
    Asking,
    /// Nobody answers.
    NotRunning,
    /// Somebody said no.
    NotAllowed,
    /// The browser was told to keep pages from talking to this machine.
    Blocked,
    /// The helper speaks another version of the messages.
    OtherVersion {
        /// What the helper says.
        message: String,
    },
    /// It was connected, and is gone.
    Lost,
    /// Connected.
    Ready {
        /// Version of the helper.
        version: String,
        /// Simulated cards are in use.
        demo: bool,
        /// Readers and cards.
        readers: Vec<ReaderView>,
    },
}

impl Status {
    /// Whether requests can be sent.
    pub fn is_ready(&self) -> bool {
        matches!(self, Self::Ready { .. })
    }

    /// Whether it makes sense to try again without being told.
    pub fn may_retry(&self) -> bool {
        matches!(self, Self::NotRunning | Self::Lost)
    }
}
