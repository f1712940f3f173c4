//! Holds the current session of one remote device. The HSM's thread connects through it, again after each loss.

use std::sync::{Arc, Mutex};

use countersign_card::{Transport, TransportError};
use countersign_protocol::{cvc::DeviceId, id::HsmId};

use super::{ending::Ending, lock, session::RamSession, transport::RemoteTransport};
use crate::hsm::Connector;

/// The slot of one device. Clones are the same slot.
#[derive(Clone)]
pub struct Slot(Arc<Inner>);

struct Inner {
    hsm: HsmId,
    unprotected: bool,
    session: Mutex<Option<Arc<RamSession>>>,
}

impl Slot {
    pub fn new(hsm: HsmId, unprotected: bool) -> Self {
        Self(Arc::new(Inner {
            hsm,
            unprotected,
            session: Mutex::default(),
        }))
    }

    pub fn hsm(&self) -> &HsmId {
        &self.0.hsm
    }

    /// Whether the configuration allows this device to attach without a secure channel.
    pub fn unprotected(&self) -> bool {
        self.0.unprotected
    }

    /// Puts in a session whose device has just proven its key. An earlier session is ended, because a device can only be at one
    /// place.
    pub fn put(&self, session: Arc<RamSession>) {
        let before = lock(&self.0.session).replace(session);
        if let Some(before) = before {
            before.end(Ending::Refused(
                "the same device was attached through another connection".into(),
            ));
        }
    }

    /// Removes and ends the session.
    pub fn clear(&self, ending: Ending) {
        if let Some(session) = lock(&self.0.session).take() {
            session.end(ending);
        }
    }

    fn connect(&self) -> Result<RemoteTransport, TransportError> {
        let mut current = lock(&self.0.session);
        let session = current.clone().ok_or_else(|| {
            TransportError::Disconnected(
                "the device is not attached: run `countersign-helper connect` on the machine that it is plugged into".into(),
            )
        })?;
        if let Some(ending) = session.ending() {
            *current = None;
            return Err(TransportError::Disconnected(ending.why().to_owned()));
        }
        Ok(RemoteTransport::new(session))
    }
}

/// Connects to a device through the session in its slot.
pub struct RemoteConnector {
    device: DeviceId,
    slot: Slot,
}

impl RemoteConnector {
    pub(super) fn new(device: DeviceId, slot: Slot) -> Self {
        Self { device, slot }
    }
}

impl Connector for RemoteConnector {
    fn connect(&mut self) -> Result<Box<dyn Transport>, TransportError> {
        let mut transport = self.slot.connect()?;
        // The reset ends every login on the card.
        transport.reset()?;
        Ok(Box::new(transport))
    }

    fn describe(&self) -> String {
        "remote (RAMOverHTTP)".into()
    }

    fn device(&self) -> Option<&DeviceId> {
        Some(&self.device)
    }

    fn unprotected_allowed(&self) -> bool {
        self.slot.unprotected()
    }
}
