//! The list of all signing HSMs of the server.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock},
};

use countersign_protocol::{
    cvc::{Fingerprint, PublicKey},
    id::HsmId,
};
use tokio::sync::mpsc::UnboundedReceiver;

use super::{
    Device, HsmError,
    handle::{Hsm, NewHsm},
    quarantines::Quarantines,
    snapshot::Notice,
};

/// A signing key on one HSM.
#[derive(Clone)]
pub struct KeyPlace {
    pub hsm: Hsm,
    pub device: Arc<Device>,
    /// Key reference in commands.
    pub reference: u8,
    pub label: String,
    pub public_key: PublicKey,
}

/// All HSMs. Clones share one list.
#[derive(Clone, Default)]
pub struct Hsms {
    all: Arc<RwLock<BTreeMap<HsmId, Hsm>>>,
    quarantines: Quarantines,
}

impl Hsms {
    /// The devices that no HSM's thread uses.
    pub fn quarantines(&self) -> &Quarantines {
        &self.quarantines
    }

    /// Starts the thread of an HSM.
    ///
    /// # Errors
    /// The name is taken, or the operating system cannot start a thread.
    pub fn add(&self, new: NewHsm) -> anyhow::Result<(Hsm, UnboundedReceiver<Notice>)> {
        let id = new.id.clone();
        let mut all = self.all.write().unwrap_or_else(PoisonError::into_inner);
        anyhow::ensure!(
            !all.contains_key(&id),
            "HSM {id} already exists: choose another name"
        );
        let (hsm, notices) = Hsm::start(new)?;
        all.insert(id, hsm.clone());
        Ok((hsm, notices))
    }

    /// Locks an HSM, ends its thread and removes it from the list.
    pub async fn remove(&self, id: &HsmId) {
        let hsm = self
            .all
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(id);
        if let Some(hsm) = hsm {
            hsm.shutdown().await;
        }
    }

    pub fn all(&self) -> Vec<Hsm> {
        let all = self.all.read().unwrap_or_else(PoisonError::into_inner);
        all.values().cloned().collect()
    }

    pub fn get(&self, id: &HsmId) -> Result<Hsm, HsmError> {
        let all = self.all.read().unwrap_or_else(PoisonError::into_inner);
        all.get(id)
            .cloned()
            .ok_or_else(|| HsmError::NotFound(id.clone()))
    }

    /// The key with this fingerprint, on any HSM.
    pub fn public_key(&self, fingerprint: &Fingerprint) -> Result<PublicKey, HsmError> {
        let found = self.all().into_iter().find_map(|hsm| {
            let device = hsm.device().ok()?;
            let mut keys = device.keys.iter().filter_map(|key| key.public_key.clone());
            keys.find(|key| key.fingerprint() == *fingerprint)
        });
        match found {
            Some(key) => Ok(key),
            // Find out why no HSM has the key.
            None => Err(match self.find_key(None, &fingerprint.to_hex()) {
                Ok(_) => HsmError::AttachedJustNow,
                Err(error) => error,
            }),
        }
    }

    /// Finds a key by label or fingerprint, on the given HSM or on all HSMs that hold it.
    ///
    /// # Errors
    /// No attached HSM holds the key, or the label belongs to several different keys.
    pub fn find_key(&self, hsm: Option<&HsmId>, wanted: &str) -> Result<Vec<KeyPlace>, HsmError> {
        let hsms = match hsm {
            Some(id) => vec![self.get(id)?],
            None => self.all(),
        };
        let mut disconnected = Vec::new();
        let mut found = Vec::new();
        for hsm in hsms {
            let Ok(device) = hsm.device() else {
                disconnected.push(hsm.id().to_string());
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
                // A device may hold the same key twice.
                found.dedup_by(|a, b| a.hsm.id() == b.hsm.id());
                Ok(found)
            }
            None if disconnected.is_empty() => Err(HsmError::NoSuchKey(wanted.to_owned())),
            None => Err(HsmError::Unavailable(format!(
                "no connected HSM holds the key `{wanted}`: connect the other HSMs ({}), or check the name",
                disconnected.join(", ")
            ))),
            Some(_) => Err(HsmError::AmbiguousKey(wanted.to_owned())),
        }
    }

    /// Locks every HSM and ends its thread.
    pub async fn shutdown(&self) {
        for hsm in self.all() {
            hsm.shutdown().await;
        }
    }
}
