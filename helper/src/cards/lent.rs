//! A card that is given away for a while.

use countersign_card::{ApduLimits, Atr, Locality, Transport, TransportError};

/// A connection that holds something for as long as it is open.
pub(super) struct Lent<G> {
    card: Box<dyn Transport>,
    _held: G,
}

impl<G> Lent<G> {
    /// `held` is dropped after the connection.
    pub(super) fn new(card: Box<dyn Transport>, held: G) -> Self {
        Self { card, _held: held }
    }
}

impl<G: Send> Transport for Lent<G> {
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, TransportError> {
        self.card.transmit(command)
    }

    fn transmit_all(&mut self, commands: &[Vec<u8>]) -> Result<Vec<Vec<u8>>, TransportError> {
        self.card.transmit_all(commands)
    }

    fn reset(&mut self) -> Result<Atr, TransportError> {
        self.card.reset()
    }

    fn name(&self) -> &str {
        self.card.name()
    }

    fn locality(&self) -> Locality {
        self.card.locality()
    }

    fn limits(&self) -> ApduLimits {
        self.card.limits()
    }
}
