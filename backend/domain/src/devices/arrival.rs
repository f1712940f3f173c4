//! A new session: what is behind it is examined before it gets anywhere.

use std::sync::Arc;

use countersign_card::{CardError, SmartCardHsm};
use countersign_protocol::{
    Timestamp,
    cvc::{DeviceId, TrustAnchors},
};

use super::Devices;
use crate::{
    config::UnknownDevices,
    events::Change,
    remote::{Arrival, Ending, Place, RamSession, RemoteTransport, Waiting},
};

impl Devices {
    /// Examines the device behind a new session, and brings the session to its HSM or has it wait. Blocks.
    pub fn receive(&self, session: &Arc<RamSession>) {
        session.tell(1, "Checking the device");
        let unprotected = |device: &DeviceId| {
            let slot = self.remote.slot(device);
            slot.is_some_and(|slot| slot.unprotected())
        };
        match examine(session, &self.anchors, unprotected) {
            Ok(arrival) => self.bring(session, arrival),
            Err(error) => {
                tracing::warn!(from = session.from(), %error, "device rejected");
                session.end(Ending::Refused(format!("Rejected: {error}")));
            }
        }
    }

    fn bring(&self, session: &Arc<RamSession>, arrival: Arrival) {
        let device = arrival.device.id().clone();
        if self.bring_to_slot(session, &device) {
            return;
        }
        match self.unknown {
            UnknownDevices::Refuse => {
                tracing::warn!(%device, from = session.from(), "unknown device rejected");
                session.end(Ending::Refused(format!(
                    "This server does not know the device {device}: its configuration has to name it"
                )));
            }
            UnknownDevices::Wait => {
                tracing::info!(%device, from = session.from(), "device waits to be accepted");
                let waiting = Waiting {
                    session: session.clone(),
                    arrival,
                    since: Timestamp::now(),
                };
                match self.remote.wait(device.clone(), waiting) {
                    Place::Waits => {
                        let server = &self.server;
                        session.tell(
                            2,
                            format!("{device} is genuine and waits for an admin of {server} to accept it"),
                        );
                        self.store.publish(Change::Devices);
                    }
                    Place::Full => session.end(Ending::Refused(
                        "Too many devices wait to be accepted: ask an admin to accept or decline some"
                            .into(),
                    )),
                }
            }
        }
    }

    /// Brings the session of a device that has proven its key to its HSM, if it has one.
    pub(super) fn bring_to_slot(&self, session: &Arc<RamSession>, device: &DeviceId) -> bool {
        let Some(slot) = self.remote.slot(device) else {
            return false;
        };
        tracing::info!(%device, from = session.from(), hsm = %slot.hsm(), "device attached");
        session.tell(3, format!("Attached: {device} is HSM {}", slot.hsm()));
        slot.put(session.clone());
        if let Ok(hsm) = self.fleet.hsms().get(slot.hsm()) {
            hsm.look();
        }
        true
    }
}

fn examine(
    session: &Arc<RamSession>,
    anchors: &TrustAnchors,
    unprotected: impl Fn(&DeviceId) -> bool,
) -> Result<Arrival, CardError> {
    let mut card = SmartCardHsm::open(RemoteTransport::new(session.clone()))?;
    let device = card.device_chain()?.verify(anchors)?;
    // A certificate can be copied; only the device has its key.
    match card.open_secure_channel(&device) {
        Err(CardError::SecureChannelUnsupported(_)) if unprotected(device.id()) => {}
        proven => proven?,
    }
    let info = card.token_info()?;
    let version = card.info().version_text();
    Ok(Arrival {
        device,
        info,
        version,
    })
}
