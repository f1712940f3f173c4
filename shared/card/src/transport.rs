//! How APDUs reach a card.

/// Answer to reset.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Atr(pub Vec<u8>);

/// Whether the way to the card can be listened to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Locality {
    /// On this machine.
    Local,
    /// Across a network: nothing but the secure channel will do.
    Remote,
}

/// Longest APDUs that the way to the card carries, in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ApduLimits {
    /// Whole command APDU.
    pub command: usize,
    /// Whole response APDU.
    pub response: usize,
}

impl ApduLimits {
    /// What every SmartCard-HSM since JCOP 3 and every usual reader can do.
    pub const USUAL: Self = Self {
        command: 1232,
        response: 1232,
    };
}

/// Why a command did not reach the card, or its answer did not come back.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TransportError {
    /// No card.
    #[error("the card was removed: insert it again")]
    Removed,
    /// Somebody reset the card; all its state is gone.
    #[error("another program reset the card: close it and try again")]
    ResetByOther,
    /// Somebody else has the card.
    #[error(
        "another program is using the card: close it (scdaemon, a browser, OpenSC) and try again"
    )]
    InUse,
    /// No answer in time.
    #[error("the card did not answer in time")]
    Timeout,
    /// No reader of that name, or no PC/SC service.
    #[error("the reader is not available: {0}")]
    Unavailable(String),
    /// The network, or whoever has the card at the other end.
    #[error("{0}")]
    Disconnected(String),
    /// Anything else.
    #[error("the reader failed: {0}")]
    Failed(String),
}

/// A way to one card. Blocking; owned by one thread.
pub trait Transport: Send {
    /// Sends one command APDU; returns response data and the two status bytes.
    ///
    /// # Errors
    /// [`TransportError`]; the state of the card is unknown afterwards.
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, TransportError>;

    /// Sends several commands that do not depend on each other's answers, in this order; where the way to the card is long,
    /// in one trip. As many responses.
    ///
    /// # Errors
    /// As [`Self::transmit`]; some of the commands may have been executed.
    fn transmit_all(&mut self, commands: &[Vec<u8>]) -> Result<Vec<Vec<u8>>, TransportError> {
        commands
            .iter()
            .map(|command| self.transmit(command))
            .collect()
    }

    /// Resets the card: everything that it knew of logins is gone.
    ///
    /// # Errors
    /// [`TransportError`].
    fn reset(&mut self) -> Result<Atr, TransportError>;

    /// Name for people: reader or simulator.
    fn name(&self) -> &str;

    /// Whether the way can be listened to.
    fn locality(&self) -> Locality;

    /// Longest APDUs.
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
