//! HSMs as people see them.

use countersign_card::KeyInfo;
use countersign_protocol::{
    activation::ActivationState,
    cvc::PublicKey,
    hsm::{CertificatePlace, DeviceView, HsmState, HsmView, SigningKeyView},
    id::HsmId,
    mechanism::Mechanism,
};
use sqlx::SqliteConnection;

use super::{Device, Hsm, Snapshot};
use crate::{
    keys::certificate,
    store::{self, StoreError},
};

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
        let usable = custodians
            .iter()
            .filter(|custodian| !custodian.revoked)
            .count();
        if pka.missing == 0 && usable < usize::from(pka.quorum.required) {
            warnings.push(format!(
                "{} approvals are needed, but only {usable} of the registered custodians can approve: the keys on this HSM cannot be \
                 used.",
                pka.quorum.required
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
            manufacturer: device.info.manufacturer.clone(),
            label: device.info.label.clone(),
            version: device.version.clone(),
            secure_channel: device.secure_channel,
        }),
        pka,
        keys: match device {
            Some(device) => keys(connection, hsm.id(), device).await?,
            None => Vec::new(),
        },
        custodians,
        warnings,
        withdrawable: store::remote::is_accepted(connection, hsm.id()).await?,
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
        let id = activation.terms.id.activation();
        match activation.state {
            ActivationState::Collecting => {
                return Ok(HsmState::Collecting {
                    activation: Some(id),
                });
            }
            ActivationState::Open { until, left, .. } => {
                return Ok(HsmState::Open {
                    activation: Some(id),
                    until,
                    left,
                });
            }
            ActivationState::Queued | ActivationState::Ended { .. } => {}
        }
    }
    Ok(HsmState::Locked)
}

async fn keys(
    connection: &mut SqliteConnection,
    hsm: &HsmId,
    device: &Device,
) -> Result<Vec<SigningKeyView>, StoreError> {
    let mut views = Vec::new();
    for key in &device.keys {
        if let Some(public_key) = &key.public_key {
            views.push(key_view(connection, hsm, device, key, public_key).await?);
        }
    }
    Ok(views)
}

async fn key_view(
    connection: &mut SqliteConnection,
    hsm: &HsmId,
    device: &Device,
    key: &KeyInfo,
    public_key: &PublicKey,
) -> Result<SigningKeyView, StoreError> {
    let fingerprint = public_key.fingerprint();
    let kept = store::keys::kept(connection, &fingerprint).await?;
    let on_device = key
        .x509
        .as_deref()
        .and_then(|der| certificate::view(der, CertificatePlace::Device).ok());
    let by_server = || {
        let der = kept.certificate.as_deref()?;
        certificate::view(der, CertificatePlace::Server).ok()
    };
    let mut mechanisms = Mechanism::of_key(public_key);
    if kept.settings.raw_rsa {
        mechanisms.push(Mechanism::RsaRaw);
    }
    Ok(SigningKeyView {
        hsm: hsm.clone(),
        label: key.label.clone(),
        fingerprint,
        id: key_id(device, key),
        public_key: public_key.clone(),
        certificate: on_device.or_else(by_server),
        kind: public_key.kind(),
        mechanisms,
        uses_left: key.uses_left,
        attested: key
            .request
            .as_ref()
            .is_some_and(|request| request.verify_outer(device.verified.public_key()).is_ok()),
    })
}

/// The identifier that other software on the device sees too, as long as it tells keys apart.
pub fn key_id(device: &Device, key: &KeyInfo) -> String {
    let same = device.keys.iter().filter(|other| other.id == key.id);
    if key.id.is_empty() || same.count() > 1 {
        hex::encode([key.reference])
    } else {
        hex::encode(&key.id)
    }
}
