//! Connects an HSM's thread to its device.

use countersign_card::{Transport, TransportError};
use countersign_protocol::cvc::DeviceId;

/// Creates connections to one HSM, one at a time.
pub trait Connector: Send {
    /// Connects with exclusive use of the card.
    ///
    /// # Errors
    /// The HSM is not connected.
    fn connect(&mut self) -> Result<Box<dyn Transport>, TransportError>;

    /// A description of how the HSM is attached, shown to people.
    fn describe(&self) -> String;

    /// The expected device, if the connector or the configuration names one.
    fn device(&self) -> Option<&DeviceId> {
        None
    }

    /// Whether an admin allowed commands outside a secure channel for exactly this device.
    fn unprotected_allowed(&self) -> bool {
        false
    }
}
