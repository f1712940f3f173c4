//! Remote devices that admins accept as HSMs, in addition to those that the configuration names.

mod arrival;
mod error;
mod fleet;

pub use error::DeviceError;
pub use fleet::Fleet;

use std::sync::Arc;

use countersign_protocol::{
    audit::{Actor, AuditEvent},
    cvc::{DeviceId, TrustAnchors},
    id::HsmId,
    remote::{AcceptDevice, WaitingDevice},
};
use sqlx::SqliteConnection;

use crate::{
    config::{UnknownDevices, check_hsm_id},
    events::Change,
    hsm::Snapshot,
    mandate::Mandate,
    refusals::Refusals,
    remote::{Ending, Remote},
    store::{self, Store, remote::RemoteHsm},
};

/// Accepts, declines and removes devices. Clones share the same state.
#[derive(Clone)]
pub struct Devices {
    store: Store,
    refusals: Refusals,
    remote: Remote,
    anchors: Arc<TrustAnchors>,
    fleet: Fleet,
    unknown: UnknownDevices,
    /// Name of the server, in messages to the person at the device.
    server: Arc<str>,
}

impl Devices {
    pub fn new(
        store: Store,
        refusals: Refusals,
        remote: Remote,
        anchors: Arc<TrustAnchors>,
        fleet: Fleet,
        unknown: UnknownDevices,
        server: &str,
    ) -> Self {
        Self {
            store,
            refusals,
            remote,
            anchors,
            fleet,
            unknown,
            server: server.into(),
        }
    }

    /// Adds the HSMs that admins accepted before this start.
    ///
    /// # Errors
    /// The configuration also names one of them, or one cannot be added.
    pub async fn start(&self) -> anyhow::Result<()> {
        let mut connection = self.store.read().await?;
        let accepted = store::remote::list(&mut connection).await?;
        drop(connection);
        for RemoteHsm { hsm, device } in accepted {
            let twice = self.fleet.hsms().get(&hsm).is_ok() || self.remote.slot(&device).is_some();
            anyhow::ensure!(
                !twice,
                "an admin accepted HSM `{hsm}` (device {device}) in the portal, and the configuration also names it: remove its \
                 [[hsm]] section; to keep that section, first start without it and remove the HSM in the portal"
            );
            self.add(&hsm, &device).await?;
        }
        Ok(())
    }

    async fn add(&self, hsm: &HsmId, device: &DeviceId) -> anyhow::Result<()> {
        let connector = self.remote.admit(hsm, device, false);
        self.fleet.add(hsm.clone(), Box::new(connector)).await
    }

    /// Devices that wait for acceptance, in the order of their arrival.
    pub fn waiting(&self) -> Vec<WaitingDevice> {
        self.remote.list_waiting()
    }

    /// Accepts a waiting device as an HSM with this name.
    pub async fn accept(
        &self,
        mandate: &Mandate,
        accept: &AcceptDevice,
    ) -> Result<(), DeviceError> {
        let AcceptDevice { device, hsm } = accept;
        let mut tx = self.store.write().await?;
        self.check(tx.connection(), accept).await?;
        let waiting = self.remote.take(device);
        let waiting = waiting.ok_or_else(|| DeviceError::NotWaiting(device.clone()))?;
        let accepted = RemoteHsm {
            hsm: hsm.clone(),
            device: device.clone(),
        };
        store::remote::insert(tx.connection(), &accepted).await?;
        let event = AuditEvent::RemoteHsmAccepted {
            hsm: hsm.clone(),
            device: device.clone(),
        };
        tx.audit(&mandate.actor(), event).await?;
        tx.changed(Change::Devices);
        tx.commit().await?;
        self.add(hsm, device)
            .await
            .map_err(|error| DeviceError::NotAttached(error.to_string()))?;
        self.attach(&waiting.session, device);
        self.store.publish(Change::Everything);
        Ok(())
    }

    /// Checks that a waiting device can be accepted under a name.
    pub(crate) async fn check(
        &self,
        connection: &mut SqliteConnection,
        AcceptDevice { device, hsm }: &AcceptDevice,
    ) -> Result<(), DeviceError> {
        check_hsm_id(hsm)?;
        if self.fleet.hsms().get(hsm).is_ok() {
            return Err(DeviceError::NameTaken(hsm.clone()));
        }
        let known = store::hsms::known_device(connection, hsm).await?;
        if let Some(known) = known.filter(|known| known.device != *device) {
            return Err(DeviceError::NameOfAnotherDevice {
                hsm: hsm.clone(),
                device: known.device,
            });
        }
        let mut waiting = self.remote.list_waiting().into_iter();
        if waiting.any(|waiting| waiting.device == *device) {
            Ok(())
        } else {
            Err(DeviceError::NotWaiting(device.clone()))
        }
    }

    /// Declines a waiting device and ends its session.
    pub async fn decline(&self, actor: &Actor, device: &DeviceId) -> Result<(), DeviceError> {
        let mut tx = self.store.write().await?;
        let waiting = self.remote.take(device);
        let waiting = waiting.ok_or_else(|| DeviceError::NotWaiting(device.clone()))?;
        let event = AuditEvent::RemoteDeviceDeclined {
            device: device.clone(),
        };
        tx.audit(actor, event).await?;
        tx.commit().await?;
        waiting.session.end(Ending::Refused(format!(
            "An admin of {} declined the device {device}",
            self.server
        )));
        self.store.publish(Change::Devices);
        Ok(())
    }

    /// Ends the quarantine of this HSM's device. The device is verified and proven locked again before it is used.
    pub async fn end_quarantine(&self, actor: &Actor, id: &HsmId) -> Result<(), DeviceError> {
        let hsm = self.fleet.hsms().get(id)?;
        let Snapshot::Quarantined { device, .. } = hsm.snapshot() else {
            return Err(DeviceError::NotQuarantined(id.clone()));
        };
        let mut tx = self.store.write().await?;
        store::quarantines::remove(tx.connection(), &device).await?;
        let event = AuditEvent::HsmQuarantineEnded {
            hsm: id.clone(),
            device: device.clone(),
        };
        tx.audit(actor, event).await?;
        tx.commit().await?;
        self.fleet.hsms().quarantines().remove(&device);
        hsm.look();
        Ok(())
    }

    /// Removes an HSM that an admin accepted: locks it and ends its session.
    pub async fn remove(&self, actor: &Actor, hsm: &HsmId) -> Result<(), DeviceError> {
        self.fleet.hsms().get(hsm)?;
        let mut tx = self.store.write().await?;
        let device = store::remote::remove(tx.connection(), hsm)
            .await?
            .ok_or_else(|| DeviceError::Configured(hsm.clone()))?;
        let event = AuditEvent::RemoteHsmRemoved {
            hsm: hsm.clone(),
            device: device.clone(),
        };
        tx.audit(actor, event).await?;
        tx.commit().await?;
        self.fleet.remove(hsm, actor).await;
        if let Some(slot) = self.remote.remove_slot(&device) {
            slot.clear(Ending::Refused(format!(
                "An admin of {} removed the HSM {hsm}",
                self.server
            )));
        }
        self.store.publish(Change::Everything);
        Ok(())
    }
}
