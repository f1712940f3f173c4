//! HSMs as people see them.

use countersign_card::KeyInfo;
use countersign_protocol::{
    activation::ActivationState,
    cvc::{PublicKey, VerifiedDevice},
    hsm::{DeviceView, HsmState, HsmView, SigningKeyView},
    id::HsmId,
    mechanism::Mechanism,
};
use sqlx::SqliteConnection;

use super::{Device, Hsm, Snapshot};
use crate::store::{self, StoreError};

/// An HSM with its custodians and what it is used for.
///
/// # Errors
/// The database's.
pub async fn view(connection: &mut SqliteConnection, hsm: &Hsm) -> Result<HsmView, StoreError> {
    let snapshot = hsm.snapshot();
    let custodians = store::hsms::custodians(connection, hsm.id()).await?;
    let (state, device, mut warnings) = match &snapshot {
        Snapshot::Absent { since, why } => {
            (HsmState::Absent { since: *since }, None, vec![why.clone()])
        }
        Snapshot::Refused { why } => (HsmState::Failed { why: why.clone() }, None, vec![]),
        Snapshot::Ready(device) => (
            state_of(connection, hsm.id(), device).await?,
            Some(device),
            device.warnings.clone(),
        ),
    };
    let pka = device.and_then(|device| device.pka_view());
    if let Some(pka) = pka {
        let registered = usize::from(pka.quorum.total - pka.missing.min(pka.quorum.total));
        if registered > custodians.len() {
            warnings.push(format!(
                "The HSM has {registered} custodian keys, but only {} were registered through this server.",
                custodians.len()
            ));
        }
    }
    Ok(HsmView {
        id: hsm.id().clone(),
        transport: hsm.transport().to_owned(),
        state,
        device: device.map(|device| DeviceView {
            id: device.id().clone(),
            path: device.verified.path().to_owned(),
            anchor: device.verified.anchor().to_owned(),
            version: device.version.clone(),
            secure_channel: device.secure_channel,
        }),
        pka,
        keys: device
            .map(|device| keys(hsm.id(), device))
            .unwrap_or_default(),
        custodians,
        warnings,
    })
}

async fn state_of(
    connection: &mut SqliteConnection,
    hsm: &HsmId,
    device: &Device,
) -> Result<HsmState, StoreError> {
    let Some(pka) = device.pka else {
        return Ok(HsmState::Uninitialised);
    };
    if pka.missing > 0 {
        return Ok(HsmState::Registering);
    }
    for activation in store::activations::active_of(connection, hsm).await? {
        let id = activation.terms.id;
        match activation.state {
            ActivationState::Collecting => return Ok(HsmState::Collecting { activation: id }),
            ActivationState::Open { until, left, .. } => {
                return Ok(HsmState::Open {
                    activation: id,
                    until,
                    left,
                });
            }
            ActivationState::Queued | ActivationState::Ended { .. } => {}
        }
    }
    Ok(HsmState::Locked)
}

fn keys(hsm: &HsmId, device: &Device) -> Vec<SigningKeyView> {
    device
        .keys
        .iter()
        .filter_map(|key| {
            Some(key_view(
                hsm,
                &device.verified,
                key,
                key.public_key.as_ref()?,
            ))
        })
        .collect()
}

fn key_view(
    hsm: &HsmId,
    device: &VerifiedDevice,
    key: &KeyInfo,
    public_key: &PublicKey,
) -> SigningKeyView {
    SigningKeyView {
        hsm: hsm.clone(),
        label: key.label.clone(),
        fingerprint: public_key.fingerprint(),
        public_key: public_key.clone(),
        kind: public_key.kind(),
        mechanisms: Mechanism::of_key(public_key),
        uses_left: key.uses_left,
        attested: key
            .request
            .as_ref()
            .is_some_and(|request| request.verify_outer(device.public_key()).is_ok()),
    }
}
