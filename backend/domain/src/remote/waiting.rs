//! Genuine devices that wait until an admin accepts them.

use std::sync::Arc;

use countersign_card::TokenInfo;
use countersign_protocol::{
    Timestamp,
    cvc::{DeviceId, VerifiedDevice},
    remote::WaitingDevice,
};

use super::{Remote, ending::Ending, session::RamSession};

/// Devices that may wait. Each has proven its key, so strangers would need as many devices.
const MOST: usize = 32;

/// A device that has proven the key of its certificate, unless it cannot and an admin allowed exactly that.
pub struct Arrival {
    pub device: VerifiedDevice,
    pub info: TokenInfo,
    pub version: Option<String>,
}

/// A device that waits.
pub struct Waiting {
    pub session: Arc<RamSession>,
    pub arrival: Arrival,
    pub since: Timestamp,
}

/// Whether the device can wait.
#[derive(PartialEq, Eq, Debug)]
pub enum Place {
    Waits,
    Full,
}

impl Remote {
    /// Lets a device wait; an earlier session of the same device is ended.
    pub fn wait(&self, device: DeviceId, waiting: Waiting) -> Place {
        let mut all = self.waiting();
        all.retain(|_, waiting| waiting.session.over().is_none());
        if all.len() >= MOST && !all.contains_key(&device) {
            return Place::Full;
        }
        if let Some(before) = all.insert(device, waiting) {
            before.session.end(Ending::Refused(
                "the same device was connected at another place".into(),
            ));
        }
        Place::Waits
    }

    /// Takes a device out of the queue, if it is still connected.
    pub fn take(&self, device: &DeviceId) -> Option<Waiting> {
        self.waiting()
            .remove(device)
            .filter(|waiting| waiting.session.over().is_none())
    }

    /// Devices that wait and are still connected, the first one first.
    pub fn list_waiting(&self) -> Vec<WaitingDevice> {
        let mut all = self.waiting();
        all.retain(|_, waiting| waiting.session.over().is_none());
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
        from: session.from().to_owned(),
        since: *since,
    }
}
