//! Transports, which carry APDUs to a card.

/// Answer to reset (ISO/IEC 7816-3).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Atr(pub Vec<u8>);

/// Where the card is, which decides whether plain commands are acceptable.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Locality {
    /// The card is connected to this machine.
    Local,
    /// The card is across a network, so that commands must be sent in the secure channel.
    Remote,
}

/// Longest APDUs that a transport carries, in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ApduLimits {
    /// Longest command APDU.
    pub command: usize,
    /// Longest response APDU.
    pub response: usize,
}

impl ApduLimits {
    /// Limits that every SmartCard-HSM since JCOP 3 and every common reader supports.
    pub const USUAL: Self = Self {
        command: 1232,
        response: 1232,
    };
}

/// The reason why a command did not reach the card, or its response did not arrive.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TransportError {
    /// The reader is empty.
    #[error("the card was removed: insert it again")]
    Removed,
    /// Another program reset the card, so that the state of its session is lost.
    #[error("another program reset the card: close that program and try again")]
    ResetByOther,
    /// Another program has an exclusive connection to the card.
    #[error(
        "another program is using the card: close that program (such as scdaemon, a browser or OpenSC) and try again"
    )]
    InUse,
    /// The card did not respond in time.
    #[error("the card did not respond in time: remove it, insert it and try again")]
    Timeout,
    /// There is no reader with that name, or no PC/SC service is running.
    #[error("the reader is not available: {0}")]
    Unavailable(String),
    /// The connection to a card across a network ended. The text is complete in itself.
    #[error("{0}")]
    Disconnected(String),
    /// The reader failed for another reason.
    #[error("the reader failed: {0}")]
    Failed(String),
}

/// A connection to one card. All methods block, and one thread owns the connection.
pub trait Transport: Send {
    /// Sends one command APDU and returns the response APDU: data followed by the two status bytes.
    ///
    /// The command can contain a PIN, so an implementation must wipe its own copies.
    ///
    /// # Errors
    /// The connection failed. The state of the card is unknown afterwards.
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, TransportError>;

    /// Sends command APDUs that do not depend on each other's responses, in this order, and returns as many responses. Across a
    /// network they take one round trip.
    ///
    /// # Errors
    /// The connection failed. The card may have executed some of the commands.
    fn transmit_all(&mut self, commands: &[Vec<u8>]) -> Result<Vec<Vec<u8>>, TransportError> {
        commands
            .iter()
            .map(|command| self.transmit(command))
            .collect()
    }

    /// Resets the card, which ends every login.
    ///
    /// # Errors
    /// The connection failed, or the reader is empty.
    fn reset(&mut self) -> Result<Atr, TransportError>;

    /// Name of the reader or simulator, for display.
    fn name(&self) -> &str;

    /// Whether the card is on this machine or across a network.
    fn locality(&self) -> Locality;

    /// Longest APDUs that this transport carries.
    fn limits(&self) -> ApduLimits {
        ApduLimits::USUAL
    }
}

impl Transport for Box<dyn Transport> {
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, TransportError> {
        self.as_mut().transmit(command)
    }

    fn transmit_all(&mut self, commands: &[Vec<u8>]) -> Result<Vec<Vec<u8>>, TransportError> {
        self.as_mut().transmit_all(commands)
    }

    fn reset(&mut self) -> Result<Atr, TransportError> {
        self.as_mut().reset()
    }

    fn name(&self) -> &str {
        self.as_ref().name()
    }

    fn locality(&self) -> Locality {
        self.as_ref().locality()
    }

    fn limits(&self) -> ApduLimits {
        self.as_ref().limits()
    }
}
