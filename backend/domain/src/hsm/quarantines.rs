//! The devices that are not used because they returned an invalid signature. The threads of all HSMs share the list, so that a
//! device does not escape its quarantine as another HSM.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock},
};

use countersign_protocol::cvc::DeviceId;

use crate::store::quarantines::Quarantine;

/// The list in memory. Clones share it.
#[derive(Clone, Default)]
pub struct Quarantines(Arc<RwLock<BTreeMap<DeviceId, Quarantine>>>);

impl Quarantines {
    /// The quarantine of this device, if there is one.
    pub fn of(&self, device: &DeviceId) -> Option<Quarantine> {
        let all = self.0.read().unwrap_or_else(PoisonError::into_inner);
        all.get(device).cloned()
    }

    /// Adds a device. An earlier quarantine of the same device remains.
    pub fn add(&self, device: DeviceId, quarantine: Quarantine) {
        let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
        all.entry(device).or_insert(quarantine);
    }

    /// Ends the quarantine of a device.
    pub fn remove(&self, device: &DeviceId) {
        let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
        all.remove(device);
    }
}
