//! Where a signing HSM's transport comes from.

use std::path::PathBuf;

use countersign_card::{
    Transport, TransportError,
    pcsc::{PcscTransport, readers},
};
use countersign_protocol::cvc::DeviceId;

use crate::{
    config::{Attachment, HsmConfig},
    remote::Remote,
};

/// Makes connections to one HSM, again and again.
pub trait Connector: Send {
    /// Connects; nobody else uses the card meanwhile.
    ///
    /// # Errors
    /// [`TransportError`]: the HSM is absent.
    fn connect(&mut self) -> Result<Box<dyn Transport>, TransportError>;

    /// How the HSM is attached, for people.
    fn describe(&self) -> String;

    /// The device that this way leads to, where it leads to one device only.
    fn device(&self) -> Option<&DeviceId> {
        None
    }

    /// Whether an admin allowed, for exactly this device, commands that travel unprotected.
    fn unprotected_allowed(&self) -> bool {
        false
    }
}

/// A card in a reader of this machine.
struct PcscConnector {
    /// How the reader's name begins.
    reader: String,
}

impl Connector for PcscConnector {
    fn connect(&mut self) -> Result<Box<dyn Transport>, TransportError> {
        let reader = readers()?
            .into_iter()
            .find(|reader| reader.name.starts_with(&self.reader))
            .ok_or_else(|| {
                TransportError::Unavailable(format!(
                    "no reader's name begins with `{}`",
                    self.reader
                ))
            })?;
        if reader.atr.is_none() {
            return Err(TransportError::Removed);
        }
        Ok(Box::new(PcscTransport::connect(&reader.name)?))
    }

    fn describe(&self) -> String {
        format!("PC/SC reader {}", self.reader)
    }
}

/// A simulated card in this process, for demo and test.
#[cfg(feature = "simulator")]
pub struct SimulatorConnector(countersign_simulator::Simulator);

#[cfg(feature = "simulator")]
impl SimulatorConnector {
    /// Connects to this card.
    pub fn new(simulator: countersign_simulator::Simulator) -> Self {
        Self(simulator)
    }
}

#[cfg(feature = "simulator")]
impl Connector for SimulatorConnector {
    fn connect(&mut self) -> Result<Box<dyn Transport>, TransportError> {
        let mut transport = self.0.connect();
        transport.reset()?;
        Ok(Box::new(transport))
    }

    fn describe(&self) -> String {
        "simulated card: protects nothing".into()
    }
}

/// A card file that cannot be opened: tried again until it can.
struct CardFileConnector(PathBuf);

impl Connector for CardFileConnector {
    #[cfg(feature = "simulator")]
    fn connect(&mut self) -> Result<Box<dyn Transport>, TransportError> {
        let simulator = countersign_simulator::Simulator::open(&self.0)
            .map_err(|error| TransportError::Unavailable(error.to_string()))?;
        SimulatorConnector::new(simulator).connect()
    }

    #[cfg(not(feature = "simulator"))]
    fn connect(&mut self) -> Result<Box<dyn Transport>, TransportError> {
        Err(TransportError::Unavailable(
            "this program was built without the card simulator".into(),
        ))
    }

    fn describe(&self) -> String {
        format!("simulated card {}: protects nothing", self.0.display())
    }
}

/// The connector that the configuration asks for.
pub(super) fn configured(config: &HsmConfig, remote: &Remote) -> Box<dyn Connector> {
    match &config.attachment {
        Attachment::Simulator(file) => Box::new(CardFileConnector(file.clone())),
        Attachment::Reader(reader) => Box::new(PcscConnector {
            reader: reader.clone(),
        }),
        Attachment::Remote {
            device,
            without_secure_channel,
        } => Box::new(remote.admit(&config.id, device, *without_secure_channel)),
    }
}
