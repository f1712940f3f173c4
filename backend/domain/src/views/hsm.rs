//! Views of HSMs and their signing keys.

use countersign_card::KeyInfo;
use countersign_protocol::{
    activation::ActivationState,
    cvc::PublicKey,
    hsm::{
        CertificatePlace, DeviceView, HsmState, HsmView, PkaView, RegisteredCustodian,
        SigningKeyView,
    },
    id::HsmId,
    mechanism::Mechanism,
};
use sqlx::SqliteConnection;

use super::Views;
use crate::{
    hsm::{Device, Hsm, Snapshot},
    keys::certificate,
    store::{self, StoreError},
};

impl Views {
    pub async fn all_hsms(&self) -> Result<Vec<HsmView>, StoreError> {
        let mut views = Vec::new();
        for hsm in self.hsms.all() {
            views.push(self.hsm(&hsm).await?);
        }
        Ok(views)
    }

    /// An HSM with its device, keys, custodians, warnings and current activation.
    pub async fn hsm(&self, hsm: &Hsm) -> Result<HsmView, StoreError> {
        let mut connection = self.store.read().await?;
        let connection = &mut *connection;
        let snapshot = hsm.snapshot();
        let custodians = store::hsms::custodians(connection, hsm.id()).await?;
        let (state, device, mut warnings) = match &snapshot {
            Snapshot::Absent { since, why } => {
                (HsmState::Absent { since: *since }, None, vec![why.clone()])
            }
            Snapshot::Refused { why } => (HsmState::Failed { why: why.clone() }, None, vec![]),
            Snapshot::Quarantined { why, since, .. } => {
                let (why, since) = (why.clone(), *since);
                (HsmState::Quarantined { why, since }, None, vec![])
            }
            Snapshot::Ready(device) => (
                state_of(connection, hsm.id(), device).await?,
                Some(device),
                device.warnings.clone(),
            ),
        };
        let pka = device.and_then(|device| device.pka_view());
        warnings.extend(
            pka.iter()
                .flat_map(|pka| custodian_warnings(pka, &custodians)),
        );
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
            removable: store::remote::is_accepted(connection, hsm.id()).await?,
        })
    }
}

/// Warnings about keys that the server did not register, and about too few usable custodians.
fn custodian_warnings(pka: &PkaView, custodians: &[RegisteredCustodian]) -> Vec<String> {
    let mut warnings = Vec::new();
    let registered = usize::from(pka.quorum.total - pka.missing.min(pka.quorum.total));
    if registered > custodians.len() {
        warnings.push(format!(
            "The HSM holds {registered} custodian keys, but this server registered only {} of them. The others cannot approve on this server. Only initialising the HSM, which erases its keys, removes them.",
            custodians.len()
        ));
    }
    let usable = custodians
        .iter()
        .filter(|custodian| !custodian.revoked)
        .count();
    if pka.missing == 0 && usable < usize::from(pka.quorum.required) {
        warnings.push(format!(
            "The keys on this HSM cannot be used: the HSM needs {} approvals, but only {usable} of the registered custodians can \
             approve.",
            pka.quorum.required
        ));
    }
    warnings
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
    if let Some(user) = store::summaries::user_of(connection, hsm).await? {
        let id = user.activation.terms.id.activation();
        match user.activation.state {
            ActivationState::AwaitingApprovals => {
                return Ok(HsmState::AwaitingApprovals {
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
    let record = store::keys::load(connection, &fingerprint).await?;
    let on_device = key
        .x509
        .as_deref()
        .and_then(|der| certificate::view(der, CertificatePlace::Device).ok());
    let by_server = || {
        let der = record.certificate.as_deref()?;
        certificate::view(der, CertificatePlace::Server).ok()
    };
    let mut mechanisms = Mechanism::of_key(public_key);
    if record.settings.raw_rsa {
        mechanisms.push(Mechanism::RsaRaw);
    }
    Ok(SigningKeyView {
        hsm: hsm.clone(),
        label: key.label.clone(),
        fingerprint,
        id: device.key_id(key),
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
