//! The door: what is behind a new session is found out before it gets anywhere.

use std::sync::Arc;

use countersign_card::{CardError, SmartCardHsm, TokenInfo};
use countersign_protocol::{
    Timestamp,
    cvc::{DeviceId, TrustAnchors, VerifiedDevice},
    event::Event,
};

use super::{
    ending::Ending,
    session::Session,
    transport::RemoteTransport,
    waiting::{Place, Waiting},
};
use crate::{app::App, config::UnknownDevices};

/// A device that has proven its certificate's key, unless it cannot and an admin allowed just that.
pub(super) struct Arrival {
    pub device: VerifiedDevice,
    pub info: TokenInfo,
    pub version: Option<String>,
}

/// Examines what is behind a new session, and brings it where it belongs. Blocks.
pub fn receive(app: &App, session: &Arc<Session>) {
    session.tell(1, "Checking the device");
    let unprotected = |device: &DeviceId| {
        app.remote
            .docks()
            .get(device)
            .is_some_and(super::Dock::unprotected)
    };
    match examine(session, &app.anchors, unprotected) {
        Ok(arrival) => bring(app, session, arrival),
        Err(error) => {
            tracing::warn!("a device at {} was turned away: {error}", session.from());
            session.end(Ending::Refused(format!("Turned away: {error}")));
        }
    }
}

fn examine(
    session: &Arc<Session>,
    anchors: &TrustAnchors,
    unprotected: impl Fn(&DeviceId) -> bool,
) -> Result<Arrival, CardError> {
    let mut card = SmartCardHsm::open(RemoteTransport::new(session.clone()))?;
    let device = card.device_chain()?.verify(anchors)?;
    // Anybody can copy a certificate; only the device has its key.
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

fn bring(app: &App, session: &Arc<Session>, arrival: Arrival) {
    let device = arrival.device.id().clone();
    if dock(app, session, &device) {
        return;
    }
    match app.config.remote.unknown {
        UnknownDevices::Refuse => {
            tracing::warn!("device {device} at {} is not known here", session.from());
            session.end(Ending::Refused(format!(
                "This server does not know the device {device}: its configuration has to name it"
            )));
        }
        UnknownDevices::Wait => {
            tracing::info!(
                "device {device} from {} waits to be accepted",
                session.from()
            );
            let waiting = Waiting {
                session: session.clone(),
                arrival,
                since: Timestamp::now(),
            };
            match app.remote.wait(device.clone(), waiting) {
                Place::Waits => {
                    session.tell(
                        2,
                        format!(
                            "{device} is genuine and waits for an admin of {} to accept it",
                            app.config.name
                        ),
                    );
                    app.events.publish(Event::Devices);
                }
                Place::Full => session.end(Ending::Refused(
                    "Too many devices wait to be accepted: ask an admin to accept or decline some"
                        .into(),
                )),
            }
        }
    }
}

/// Brings a device that has proven itself to its dock, if it has one.
pub(super) fn dock(app: &App, session: &Arc<Session>, device: &DeviceId) -> bool {
    let Some(dock) = app.remote.docks().get(device).cloned() else {
        return false;
    };
    tracing::info!("device {device} came from {}", session.from());
    session.tell(3, format!("Attached: {device} is HSM {}", dock.hsm()));
    dock.put(session.clone());
    if let Ok(hsm) = app.hsms.get(dock.hsm()) {
        hsm.look();
    }
    true
}
