//! Turns the configuration's HSMs into connectors.

use std::{collections::BTreeMap, path::PathBuf};

use countersign_card::{
    Transport, TransportError,
    pcsc::{PcscTransport, readers},
};
use countersign_protocol::{cvc::DeviceId, id::HsmId};

use crate::{
    config::{Attachment, Config, HsmConfig},
    hsm::Connector,
    remote::Remote,
};

/// A card in a reader of this machine.
struct PcscConnector {
    /// First part of the reader's name.
    reader: String,
    /// The only device that is accepted, where the configuration names one.
    device: Option<DeviceId>,
}

impl Connector for PcscConnector {
    fn connect(&mut self) -> Result<Box<dyn Transport>, TransportError> {
        let reader = readers()?
            .into_iter()
            .find(|reader| reader.name.starts_with(&self.reader))
            .ok_or_else(|| {
                TransportError::Unavailable(format!(
                    "no PC/SC reader whose name begins with `{}` is connected: connect it, or correct `reader` in the configuration",
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

    fn device(&self) -> Option<&DeviceId> {
        self.device.as_ref()
    }
}

/// A simulated card in this process, for the demo and for tests.
#[cfg(feature = "simulator")]
pub struct SimulatorConnector {
    simulator: countersign_simulator::Simulator,
    device: Option<DeviceId>,
}

#[cfg(feature = "simulator")]
impl SimulatorConnector {
    pub fn new(simulator: countersign_simulator::Simulator) -> Self {
        Self {
            simulator,
            device: None,
        }
    }

    /// Accepts only this device.
    #[must_use]
    pub fn expecting(mut self, device: Option<DeviceId>) -> Self {
        self.device = device;
        self
    }
}

#[cfg(feature = "simulator")]
impl Connector for SimulatorConnector {
    fn connect(&mut self) -> Result<Box<dyn Transport>, TransportError> {
        let mut transport = self.simulator.connect();
        transport.reset()?;
        Ok(Box::new(transport))
    }

    fn describe(&self) -> String {
        "simulated card: protects nothing".into()
    }

    fn device(&self) -> Option<&DeviceId> {
        self.device.as_ref()
    }
}

/// A simulated card in a file. The HSM's thread retries until the file can be opened.
struct CardFileConnector {
    file: PathBuf,
    device: Option<DeviceId>,
}

impl Connector for CardFileConnector {
    #[cfg(feature = "simulator")]
    fn connect(&mut self) -> Result<Box<dyn Transport>, TransportError> {
        let simulator = countersign_simulator::Simulator::open(&self.file)
            .map_err(|error| TransportError::Unavailable(error.to_string()))?;
        SimulatorConnector::new(simulator).connect()
    }

    #[cfg(not(feature = "simulator"))]
    fn connect(&mut self) -> Result<Box<dyn Transport>, TransportError> {
        Err(TransportError::Unavailable(
            "this server was built without the card simulator: build it with the feature `simulator`".into(),
        ))
    }

    fn describe(&self) -> String {
        format!("simulated card {}: protects nothing", self.file.display())
    }

    fn device(&self) -> Option<&DeviceId> {
        self.device.as_ref()
    }
}

/// Creates a connector for each configured HSM.
pub fn connectors(config: &Config, remote: &Remote) -> BTreeMap<HsmId, Box<dyn Connector>> {
    config
        .hsms
        .iter()
        .map(|hsm| (hsm.id.clone(), connector(hsm, remote)))
        .collect()
}

fn connector(config: &HsmConfig, remote: &Remote) -> Box<dyn Connector> {
    let device = config.device.clone();
    match &config.attachment {
        Attachment::Simulator(file) => Box::new(CardFileConnector {
            file: file.clone(),
            device,
        }),
        Attachment::Reader(reader) => Box::new(PcscConnector {
            reader: reader.clone(),
            device,
        }),
        Attachment::Remote {
            device,
            without_secure_channel,
        } => Box::new(remote.admit(&config.id, device, *without_secure_channel)),
    }
}
