//! All signing HSMs of the server.

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
    snapshot::Notice,
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

/// All HSMs. Clones are the same HSMs.
#[derive(Clone, Default)]
pub struct Hsms(Arc<RwLock<BTreeMap<HsmId, Hsm>>>);

impl Hsms {
    /// Starts the thread of an HSM.
    ///
    /// # Errors
    /// The name is taken, or the operating system cannot start a thread.
    pub fn add(&self, new: NewHsm) -> anyhow::Result<(Hsm, UnboundedReceiver<Notice>)> {
        let id = new.id.clone();
        let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
        anyhow::ensure!(!all.contains_key(&id), "there is an HSM `{id}` already");
        let (hsm, notices) = Hsm::start(new)?;
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
                Ok(_) => HsmError::AttachedJustNow,
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
            None if absent.is_empty() => Err(HsmError::NoSuchKey(wanted.to_owned())),
            None => Err(HsmError::Unavailable(format!(
                "no attached HSM has the key `{wanted}`; not attached: {}",
                absent.join(", ")
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
