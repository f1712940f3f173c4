//! How a session ends.

/// How a session ended, and so what its client is told if it asks once more.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Ending {
    /// The client is gone, or does not keep to the protocol.
    Lost(String),
    /// The client is to stop, and the person at it to know why.
    Refused(String),
    /// The client is to connect anew.
    Aborted(String),
}

impl Ending {
    /// Why, in words.
    pub fn why(&self) -> &str {
        match self {
            Self::Lost(why) | Self::Refused(why) | Self::Aborted(why) => why,
        }
    }
}
