//! The slots, tokens and objects, fetched from the server and cached for a few seconds. Fetching them needs no
//! approval.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use countersign_client::{WaitIn, pkcs11::slot_number};
use countersign_protocol::{
    hsm::{DeviceView, HsmState, HsmView, SigningKeyView},
    id::HsmId,
};
use cryptoki_sys::{CK_OBJECT_CLASS, CK_OBJECT_HANDLE, CK_SLOT_ID};

use crate::{
    connection::Connection,
    object::{self, Object},
    report,
};

/// How long the slots are cached, because programs list them many times in a row.
const MAX_AGE: Duration = Duration::from_secs(5);

/// A slot, which corresponds to one signing HSM.
#[derive(Debug)]
pub struct Slot {
    /// The number of the slot, which is the same in every process and on every machine.
    pub id: CK_SLOT_ID,
    pub hsm: HsmId,
    /// The PKCS#11 token, if the HSM is connected and usable.
    pub token: Option<Token>,
}

/// The PKCS#11 token in a slot.
#[derive(Debug)]
pub struct Token {
    pub device: DeviceView,
    /// The keys that the API token may use.
    pub keys: Vec<SigningKeyView>,
    pub objects: Vec<Object>,
}

impl Token {
    pub fn key_of(&self, object: &Object) -> Option<&SigningKeyView> {
        self.keys.iter().find(|key| key.fingerprint == object.key)
    }
}

#[derive(Default)]
pub struct Directory {
    cache: Mutex<Cache>,
    /// Locked during a request, so that other threads wait for the same response.
    refresh: Mutex<()>,
}

#[derive(Default)]
struct Cache {
    slots: BTreeMap<CK_SLOT_ID, Arc<Slot>>,
    refreshed_at: Option<Instant>,
    handles: HashMap<(HsmId, String, CK_OBJECT_CLASS), CK_OBJECT_HANDLE>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Directory {
    /// Returns the slots, ordered by number. They contain no tokens while the server is unreachable, which is reported
    /// on standard error.
    pub fn slots(&self, connection: &Connection) -> Vec<Arc<Slot>> {
        self.refresh(connection);
        lock(&self.cache).slots.values().cloned().collect()
    }

    /// Returns a slot from the cache, which is filled first if it never was.
    pub fn slot(&self, connection: &Connection, id: CK_SLOT_ID) -> Option<Arc<Slot>> {
        if lock(&self.cache).refreshed_at.is_none() {
            self.refresh(connection);
        }
        lock(&self.cache).slots.get(&id).cloned()
    }

    fn is_fresh(&self) -> bool {
        lock(&self.cache)
            .refreshed_at
            .is_some_and(|refreshed_at| refreshed_at.elapsed() < MAX_AGE)
    }

    fn refresh(&self, connection: &Connection) {
        if self.is_fresh() {
            return;
        }
        let refresh = lock(&self.refresh);
        if self.is_fresh() {
            return;
        }
        let fetched = connection.start(|client| Ok((client.hsms()?, client.keys()?)));
        let mut cache = lock(&self.cache);
        cache.refreshed_at = Some(Instant::now());
        match fetched {
            None => {}
            Some(Ok((hsms, keys))) => cache.fill(hsms, &keys, connection.settings().wait_in),
            Some(Err(error)) => {
                if connection.reports_failures() {
                    report::line(&error.to_string());
                }
                // Open sessions keep their slot with its token. New ones find no token.
                cache.remove_tokens();
            }
        }
        drop(cache);
        drop(refresh);
    }
}

impl Cache {
    /// Removes the tokens but not the slots, because programs expect slots to stay.
    fn remove_tokens(&mut self) {
        for slot in self.slots.values_mut() {
            *slot = Arc::new(Slot {
                id: slot.id,
                hsm: slot.hsm.clone(),
                token: None,
            });
        }
    }

    fn fill(&mut self, hsms: Vec<HsmView>, keys: &[SigningKeyView], wait_in: WaitIn) {
        self.slots.clear();
        for hsm in hsms {
            let keys: Vec<_> = keys
                .iter()
                .filter(|key| key.hsm == hsm.id)
                .cloned()
                .collect();
            let is_usable = !matches!(
                hsm.state,
                HsmState::Absent { .. }
                    | HsmState::Attached
                    | HsmState::Quarantined { .. }
                    | HsmState::Failed { .. }
            );
            // A usable HSM without keys for this API token gets no slot.
            if is_usable && keys.is_empty() {
                continue;
            }
            let token = hsm.device.filter(|_| is_usable).map(|device| {
                let objects = keys.iter().flat_map(|key| {
                    object::objects(&hsm.id, key, wait_in == WaitIn::Login, |class| {
                        let next = CK_OBJECT_HANDLE::try_from(self.handles.len() + 1);
                        let name = (hsm.id.clone(), key.fingerprint.to_hex(), class);
                        *self
                            .handles
                            .entry(name)
                            .or_insert(next.unwrap_or(CK_OBJECT_HANDLE::MAX))
                    })
                });
                let objects = objects.collect();
                Token {
                    device,
                    keys,
                    objects,
                }
            });
            let mut id = CK_SLOT_ID::from(slot_number(&hsm.id));
            while self.slots.contains_key(&id) {
                id += 1;
            }
            let slot = Slot {
                id,
                hsm: hsm.id,
                token,
            };
            self.slots.insert(id, Arc::new(slot));
        }
    }
}
