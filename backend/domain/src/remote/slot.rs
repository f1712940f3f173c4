//! Where a device's session lies until the HSM's thread takes it, again and again.

use std::sync::{Arc, Mutex};

use countersign_card::{Transport, TransportError};
use countersign_protocol::{cvc::DeviceId, id::HsmId};

use super::{ending::Ending, lock, session::RamSession, transport::RemoteTransport};
use crate::hsm::Connector;

/// The place of one device. Clones are the same place.
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

    /// Whether an admin allowed, for exactly this device, to do without the secure channel.
    pub fn unprotected(&self) -> bool {
        self.0.unprotected
    }

    /// Puts a session here whose device has just proven itself. An earlier one must be dead, or is ended: a device is at one
    /// place only.
    pub fn put(&self, session: Arc<RamSession>) {
        let before = lock(&self.0.session).replace(session);
        if let Some(before) = before {
            before.end(Ending::Refused(
                "the same device was connected at another place".into(),
            ));
        }
    }

    /// Ends the session here.
    pub fn clear(&self, ending: Ending) {
        if let Some(session) = lock(&self.0.session).take() {
            session.end(ending);
        }
    }

    fn connect(&self) -> Result<RemoteTransport, TransportError> {
        let mut place = lock(&self.0.session);
        let session = place.clone().ok_or_else(|| {
            TransportError::Disconnected(
                "it is not connected: run `countersign-helper connect` where it is".into(),
            )
        })?;
        if let Some(ending) = session.over() {
            *place = None;
            return Err(TransportError::Disconnected(ending.why().to_owned()));
        }
        Ok(RemoteTransport::new(session))
    }
}

/// Connects to whatever session its device has.
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
        // Whatever the card knew of logins is gone.
        transport.reset()?;
        Ok(Box::new(transport))
    }

    fn describe(&self) -> String {
        "attached from afar (RAMOverHTTP)".into()
    }

    fn device(&self) -> Option<&DeviceId> {
        Some(&self.device)
    }

    fn unprotected_allowed(&self) -> bool {
        self.slot.unprotected()
    }
}
