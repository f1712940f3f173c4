//! All configured HSMs.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock},
};

use countersign_card::pka::ChallengeBehaviour;
use countersign_protocol::{
    cvc::{Fingerprint, PublicKey},
    id::HsmId,
};
use tokio::sync::mpsc::UnboundedReceiver;

use super::{
    Connector, Device, HsmError,
    connector::configured,
    handle::{Hsm, NewHsm},
    snapshot::Notice,
};
use crate::{app::App, config::Config, remote::Remote, store};

/// A signing key and where it is.
#[derive(Clone)]
pub struct KeyPlace {
    /// The HSM.
    pub hsm: Hsm,
    /// Its device.
    pub device: Arc<Device>,
    /// Reference on the card.
    pub reference: u8,
    /// Label.
    pub label: String,
    /// The public key.
    pub public_key: PublicKey,
}

/// All HSMs. Clones are the same registry.
#[derive(Clone, Default)]
pub struct Registry(Arc<RwLock<BTreeMap<HsmId, Hsm>>>);

impl Registry {
    /// Starts the thread of an HSM.
    ///
    /// # Errors
    /// There is one of that name, the database's, or the operating system gives no thread.
    pub async fn add(
        &self,
        app: &App,
        id: HsmId,
        connector: Box<dyn Connector>,
    ) -> anyhow::Result<(Hsm, UnboundedReceiver<Notice>)> {
        let mut connection = app.store.read().await?;
        let known = store::hsms::known_device(&mut connection, &id).await?;
        drop(connection);
        let configured = app.config.hsms.iter().find(|hsm| hsm.id == id);
        let named = connector
            .device()
            .or(configured.and_then(|hsm| hsm.device.as_ref()))
            .cloned();
        let behaviour = match &known {
            Some(known) if named.as_ref().is_none_or(|named| *named == known.device) => {
                known.behaviour
            }
            _ => ChallengeBehaviour::Unknown,
        };
        let expected = named.or(known.map(|known| known.device));
        let (hsm, notices) = Hsm::start(NewHsm {
            id: id.clone(),
            connector,
            anchors: app.anchors.clone(),
            expected,
            behaviour,
        })?;
        let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
        anyhow::ensure!(
            !all.contains_key(&id),
            "there is an HSM called `{id}` already"
        );
        all.insert(id, hsm.clone());
        Ok((hsm, notices))
    }

    /// Locks an HSM, ends its thread and forgets it.
    pub async fn remove(&self, id: &HsmId) {
        let hsm = self
            .0
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(id);
        if let Some(hsm) = hsm {
            hsm.shutdown().await;
        }
    }

    /// The connectors that the configuration asks for.
    pub fn connectors(config: &Config, remote: &Remote) -> BTreeMap<HsmId, Box<dyn Connector>> {
        config
            .hsms
            .iter()
            .map(|hsm| (hsm.id.clone(), configured(hsm, remote)))
            .collect()
    }

    /// All of them.
    pub fn all(&self) -> Vec<Hsm> {
        let all = self.0.read().unwrap_or_else(PoisonError::into_inner);
        all.values().cloned().collect()
    }

    /// One of them.
    ///
    /// # Errors
    /// [`HsmError::NotFound`].
    pub fn get(&self, id: &HsmId) -> Result<Hsm, HsmError> {
        let all = self.0.read().unwrap_or_else(PoisonError::into_inner);
        all.get(id)
            .cloned()
            .ok_or_else(|| HsmError::NotFound(id.clone()))
    }

    /// The key with this fingerprint, on whichever HSM.
    ///
    /// # Errors
    /// As [`Self::find_key`].
    pub fn public_key(&self, fingerprint: &Fingerprint) -> Result<PublicKey, HsmError> {
        let on_several = self.all().into_iter().find_map(|hsm| {
            let device = hsm.device().ok()?;
            let mut keys = device.keys.iter().filter_map(|key| key.public_key.clone());
            keys.find(|key| key.fingerprint() == *fingerprint)
        });
        match on_several {
            Some(key) => Ok(key),
            // Nobody has it: says why.
            None => Err(match self.find_key(None, &fingerprint.to_hex()) {
                Ok(_) => HsmError::Conflict("the HSM was attached a moment ago: try again".into()),
                Err(error) => error,
            }),
        }
    }

    /// The key with this label or fingerprint, on this HSM, or on each that has it.
    ///
    /// # Errors
    /// [`HsmError::Invalid`]: no such key, or different ones.
    pub fn find_key(&self, hsm: Option<&HsmId>, wanted: &str) -> Result<Vec<KeyPlace>, HsmError> {
        let hsms = match hsm {
            Some(id) => vec![self.get(id)?],
            None => self.all(),
        };
        let mut absent = Vec::new();
        let mut found = Vec::new();
        for hsm in hsms {
            let Ok(device) = hsm.device() else {
                absent.push(hsm.id().to_string());
                continue;
            };
            for key in &device.keys {
                let Some(public_key) = &key.public_key else {
                    continue;
                };
                if key.label == wanted || public_key.fingerprint().to_hex() == wanted {
                    found.push(KeyPlace {
                        hsm: hsm.clone(),
                        device: device.clone(),
                        reference: key.reference,
                        label: key.label.clone(),
                        public_key: public_key.clone(),
                    });
                }
            }
        }
        let first = found
            .first()
            .map(|place: &KeyPlace| place.public_key.fingerprint());
        match first {
            Some(first)
                if found
                    .iter()
                    .all(|key| key.public_key.fingerprint() == first) =>
            {
                // One device may have it twice.
                found.dedup_by(|a, b| a.hsm.id() == b.hsm.id());
                Ok(found)
            }
            None if absent.is_empty() => Err(HsmError::Invalid(format!(
                "there is no key with the label or fingerprint `{wanted}`: `countersign keys` lists them"
            ))),
            None => Err(HsmError::Unavailable(format!(
                "no attached HSM has the key `{wanted}`; not attached: {}",
                absent.join(", ")
            ))),
            Some(_) => Err(HsmError::Invalid(format!(
                "several keys are called `{wanted}`: name the HSM too, or the fingerprint"
            ))),
        }
    }

    /// Locks every HSM and ends its thread.
    pub async fn shutdown(&self) {
        for hsm in self.all() {
            hsm.shutdown().await;
        }
    }
}
