//! How the HSM's thread gets a connection to its device.

use countersign_card::{Transport, TransportError};
use countersign_protocol::cvc::DeviceId;

/// Makes connections to one HSM, one after the other.
pub trait Connector: Send {
    /// Connects with exclusive use of the card.
    ///
    /// # Errors
    /// The HSM is absent.
    fn connect(&mut self) -> Result<Box<dyn Transport>, TransportError>;

    /// How the HSM is attached, in words.
    fn describe(&self) -> String;

    /// The device that must be there, where the connector or the configuration names one.
    fn device(&self) -> Option<&DeviceId> {
        None
    }

    /// Whether an admin allowed, for exactly this device, commands outside a secure channel.
    fn unprotected_allowed(&self) -> bool {
        false
    }
}
