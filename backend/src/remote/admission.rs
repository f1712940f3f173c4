//! Who may be attached from afar beside those that the configuration names: what admins accepted.

use countersign_protocol::{
    audit::{Actor, AuditEvent},
    cvc::DeviceId,
    event::Event,
    id::HsmId,
};

use super::ending::Ending;
use crate::{
    app::App,
    config::check_hsm_id,
    hsm::HsmError,
    store::{self, remote::RemoteHsm},
};

/// Offers the HSMs that admins accepted in former runs.
///
/// # Errors
/// The database's, or an HSM that the configuration names too.
pub async fn start(app: &App) -> anyhow::Result<()> {
    let mut connection = app.store.read().await?;
    let accepted = store::remote::list(&mut connection).await?;
    drop(connection);
    for RemoteHsm { hsm, device } in accepted {
        let twice = app.hsms.get(&hsm).is_ok() || app.remote.docks().contains_key(&device);
        anyhow::ensure!(
            !twice,
            "HSM `{hsm}` (device {device}) was accepted in the portal, and the configuration names it too: remove its [[hsm]] \
             section, or withdraw it in the portal first"
        );
        attach(app, &hsm, &device).await?;
    }
    Ok(())
}

async fn attach(app: &App, hsm: &HsmId, device: &DeviceId) -> anyhow::Result<()> {
    let connector = app.remote.admit(hsm, device, false);
    app.attach(hsm.clone(), Box::new(connector)).await
}

/// Accepts a device that waits, as an HSM of this name.
///
/// # Errors
/// [`HsmError`]: nothing waits, or the name cannot be used.
pub async fn accept(
    app: &App,
    actor: &Actor,
    device: &DeviceId,
    hsm: HsmId,
) -> Result<(), HsmError> {
    check_hsm_id(&hsm).map_err(|error| HsmError::Invalid(error.to_string()))?;
    if app.hsms.get(&hsm).is_ok() {
        return Err(HsmError::Conflict(format!(
            "there is an HSM called {hsm} already: choose another name"
        )));
    }
    let mut tx = app.store.write().await?;
    let known = store::hsms::known_device(tx.connection(), &hsm).await?;
    if let Some(known) = known.filter(|known| known.device != *device) {
        return Err(HsmError::Conflict(format!(
            "the name {hsm} belongs to the device {}, in the audit log too: choose another name",
            known.device
        )));
    }
    let waiting = app.remote.take(device).ok_or_else(|| {
        HsmError::Unavailable(format!(
            "the device {device} does not wait any more: connect it again"
        ))
    })?;
    let accepted = RemoteHsm {
        hsm: hsm.clone(),
        device: device.clone(),
    };
    store::remote::insert(tx.connection(), &accepted).await?;
    let event = AuditEvent::RemoteHsmAccepted {
        hsm: hsm.clone(),
        device: device.clone(),
    };
    tx.audit(actor, event).await?;
    tx.announce(Event::Devices);
    tx.commit().await?;
    attach(app, &hsm, device)
        .await
        .map_err(|error| HsmError::Unavailable(error.to_string()))?;
    super::door::dock(app, &waiting.session, device);
    app.events.publish(Event::Resync);
    Ok(())
}

/// Turns a device away that waits.
///
/// # Errors
/// [`HsmError::Unavailable`]: it does not wait any more.
pub fn decline(app: &App, device: &DeviceId) -> Result<(), HsmError> {
    let waiting = app.remote.take(device).ok_or_else(|| {
        HsmError::Unavailable(format!("the device {device} does not wait any more"))
    })?;
    waiting.session.end(Ending::Refused(format!(
        "An admin of {} declined the device {device}",
        app.config.name
    )));
    app.events.publish(Event::Devices);
    Ok(())
}

/// Takes back what [`accept`] allowed: the HSM is locked and forgotten.
///
/// # Errors
/// [`HsmError`]: no such HSM, or it was not accepted here.
pub async fn withdraw(app: &App, actor: &Actor, hsm: &HsmId) -> Result<(), HsmError> {
    app.hsms.get(hsm)?;
    let mut tx = app.store.write().await?;
    let device = store::remote::remove(tx.connection(), hsm)
        .await?
        .ok_or_else(|| {
            HsmError::Conflict(format!(
                "HSM {hsm} is in the server's configuration: remove its [[hsm]] section there"
            ))
        })?;
    let event = AuditEvent::RemoteHsmWithdrawn {
        hsm: hsm.clone(),
        device: device.clone(),
    };
    tx.audit(actor, event).await?;
    tx.commit().await?;
    app.detach(hsm, actor).await;
    let dock = app.remote.docks().remove(&device);
    if let Some(dock) = dock {
        dock.clear(Ending::Refused(format!(
            "An admin of {} withdrew the HSM {hsm}",
            app.config.name
        )));
    }
    app.events.publish(Event::Resync);
    Ok(())
}
