//! All configured HSMs.

use std::{
    collections::BTreeMap,
    sync::{Arc, OnceLock},
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
use crate::{
    app::App,
    config::{Config, HsmConfig},
    store,
};

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

/// All HSMs of the configuration. Clones are the same registry.
#[derive(Clone, Default)]
pub struct Registry(Arc<OnceLock<BTreeMap<HsmId, Hsm>>>);

impl Registry {
    /// Starts the threads. Once only.
    ///
    /// # Errors
    /// The database's, or the operating system gives no thread.
    pub async fn start(
        &self,
        app: &App,
        connectors: BTreeMap<HsmId, Box<dyn Connector>>,
    ) -> anyhow::Result<Vec<(Hsm, UnboundedReceiver<Notice>)>> {
        let mut started = Vec::new();
        for (id, connector) in connectors {
            let mut connection = app.store.read().await?;
            let known = store::hsms::known_device(&mut connection, &id).await?;
            let named = app
                .config
                .hsms
                .iter()
                .find(|hsm| hsm.id == id)
                .and_then(|hsm| hsm.device.clone());
            let behaviour = match &known {
                Some(known) if named.as_ref().is_none_or(|named| *named == known.device) => {
                    known.behaviour
                }
                _ => ChallengeBehaviour::Unknown,
            };
            let expected = named.or(known.map(|known| known.device));
            started.push(Hsm::start(NewHsm {
                id,
                connector,
                anchors: app.anchors.clone(),
                expected,
                behaviour,
            })?);
        }
        let all = started
            .iter()
            .map(|(hsm, _)| (hsm.id().clone(), hsm.clone()))
            .collect();
        self.0
            .set(all)
            .map_err(|_| anyhow::anyhow!("the HSMs were started already"))?;
        Ok(started)
    }

    /// The connectors that the configuration asks for.
    pub fn connectors(config: &Config) -> BTreeMap<HsmId, Box<dyn Connector>> {
        config
            .hsms
            .iter()
            .map(|hsm: &HsmConfig| (hsm.id.clone(), configured(hsm)))
            .collect()
    }

    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = &Hsm> {
        self.0.get().into_iter().flat_map(BTreeMap::values)
    }

    /// One of them.
    ///
    /// # Errors
    /// [`HsmError::NotFound`].
    pub fn get(&self, id: &HsmId) -> Result<&Hsm, HsmError> {
        self.0
            .get()
            .and_then(|all| all.get(id))
            .ok_or_else(|| HsmError::NotFound(id.clone()))
    }

    /// The key with this fingerprint, on whichever HSM.
    ///
    /// # Errors
    /// As [`Self::find_key`].
    pub fn public_key(&self, fingerprint: &Fingerprint) -> Result<PublicKey, HsmError> {
        let on_several = self.all().find_map(|hsm| {
            let device = hsm.device().ok()?;
            let mut keys = device.keys.iter().filter_map(|key| key.public_key.clone());
            keys.find(|key| key.fingerprint() == *fingerprint)
        });
        match on_several {
            Some(key) => Ok(key),
            None => Ok(self.find_key(None, &fingerprint.to_hex())?.public_key),
        }
    }

    /// The key with this label or fingerprint, on this HSM or on any.
    ///
    /// # Errors
    /// [`HsmError::Invalid`]: no such key, or more than one.
    pub fn find_key(&self, hsm: Option<&HsmId>, wanted: &str) -> Result<KeyPlace, HsmError> {
        let hsms: Vec<&Hsm> = match hsm {
            Some(id) => vec![self.get(id)?],
            None => self.all().collect(),
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
        let several = found.len() > 1;
        match found.pop() {
            Some(key) if !several => Ok(key),
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
