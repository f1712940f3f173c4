//! Genuine devices that wait until an admin accepts them.

use std::sync::Arc;

use countersign_card::TokenInfo;
use countersign_protocol::{
    Timestamp,
    cvc::{DeviceId, VerifiedDevice},
    remote::WaitingDevice,
};

use super::{Remote, ending::Ending, session::RamSession};

/// Largest number of waiting devices. Each has proven its key, so a stranger would need as many genuine devices to fill the list.
const MOST: usize = 32;

/// A device that has proven the key of its certificate, or one that cannot and that the configuration allows without a secure
/// channel.
pub struct Arrival {
    pub device: VerifiedDevice,
    pub info: TokenInfo,
    pub version: Option<String>,
}

/// A waiting device.
pub struct Waiting {
    pub session: Arc<RamSession>,
    pub arrival: Arrival,
    pub since: Timestamp,
}

/// `MOST` devices are already waiting.
#[derive(PartialEq, Eq, Debug)]
pub struct TooManyWaiting;

impl Remote {
    /// Adds a device to the list of waiting devices. An earlier session of the same device is ended.
    pub fn wait(&self, device: DeviceId, waiting: Waiting) -> Result<(), TooManyWaiting> {
        let mut all = self.waiting();
        all.retain(|_, waiting| waiting.session.ending().is_none());
        if all.len() >= MOST && !all.contains_key(&device) {
            return Err(TooManyWaiting);
        }
        if let Some(before) = all.insert(device, waiting) {
            before.session.end(Ending::Refused(
                "the same device was attached through another connection".into(),
            ));
        }
        Ok(())
    }

    /// Removes a waiting device from the list and returns it, if it is still connected.
    pub fn take(&self, device: &DeviceId) -> Option<Waiting> {
        self.waiting()
            .remove(device)
            .filter(|waiting| waiting.session.ending().is_none())
    }

    /// Waiting devices that are still connected, in the order of their arrival.
    pub fn list_waiting(&self) -> Vec<WaitingDevice> {
        let mut all = self.waiting();
        all.retain(|_, waiting| waiting.session.ending().is_none());
        let mut list: Vec<_> = all.values().map(view).collect();
        list.sort_by_key(|device| device.since);
        list
    }
}

fn view(waiting: &Waiting) -> WaitingDevice {
    let Waiting {
        session,
        arrival,
        since,
    } = waiting;
    WaitingDevice {
        device: arrival.device.id().clone(),
        path: arrival.device.path().to_owned(),
        anchor: arrival.device.anchor().to_owned(),
        label: arrival.info.label.clone(),
        version: arrival.version.clone(),
        from: session.from().to_string(),
        since: *since,
    }
}
