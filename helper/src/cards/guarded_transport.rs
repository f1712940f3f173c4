//! A connection to a card that keeps a guard alive.

use countersign_card::{ApduLimits, Atr, Locality, Transport, TransportError};

/// A connection that owns a guard for as long as it is open.
pub(super) struct GuardedTransport<G> {
    card: Box<dyn Transport>,
    _guard: G,
}

impl<G> GuardedTransport<G> {
    /// The guard is dropped after the connection.
    pub(super) fn new(card: Box<dyn Transport>, guard: G) -> Self {
        Self {
            card,
            _guard: guard,
        }
    }
}

impl<G: Send> Transport for GuardedTransport<G> {
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
