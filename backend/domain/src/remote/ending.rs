//! The ways in which a session ends.

/// How a session ended. It decides what the client gets if it posts again.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Ending {
    /// The client disconnected or did not answer in time.
    Lost(String),
    /// The server rejects the client or its device. The person at the client is notified of the reason.
    Refused(String),
    /// The connection from the client to its card ended, so the client may connect anew.
    Aborted(String),
}

impl Ending {
    /// The reason, as a text that is complete in itself.
    pub fn why(&self) -> &str {
        match self {
            Self::Lost(why) | Self::Refused(why) | Self::Aborted(why) => why,
        }
    }
}
