//! What the server has: slots, tokens, objects. Read without anybody's approval, kept for a moment.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use countersign_client::{ClientError, WaitIn, pkcs11::slot_number};
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

/// Programs ask for slots many times in a row; this long the same answer is given.
const FRESH: Duration = Duration::from_secs(5);

/// A slot: one signing HSM.
#[derive(Debug)]
pub struct Slot {
    /// Number; the same in every process and on every machine.
    pub id: CK_SLOT_ID,
    /// Name of the HSM at the server.
    pub hsm: HsmId,
    /// The HSM, if it can be used.
    pub token: Option<Token>,
}

/// The HSM in a slot.
#[derive(Debug)]
pub struct Token {
    /// The device.
    pub device: DeviceView,
    /// Keys that the API token may use.
    pub keys: Vec<SigningKeyView>,
    /// Their objects.
    pub objects: Vec<Object>,
}

impl Token {
    /// The key that an object belongs to.
    pub fn key_of(&self, object: &Object) -> Option<&SigningKeyView> {
        self.keys.iter().find(|key| key.fingerprint == object.key)
    }
}

/// The slots of this process.
#[derive(Default)]
pub struct Directory {
    known: Mutex<Known>,
    /// Held while the server is asked: others wait for the same answer.
    asking: Mutex<()>,
}

#[derive(Default)]
struct Known {
    slots: BTreeMap<CK_SLOT_ID, Arc<Slot>>,
    asked: Option<Instant>,
    handles: HashMap<(HsmId, String, CK_OBJECT_CLASS), CK_OBJECT_HANDLE>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Directory {
    /// The slots, ordered by number. Without the server there are no tokens in them; why is told once.
    pub fn slots(&self, connection: &Connection) -> Vec<Arc<Slot>> {
        self.refresh(connection);
        lock(&self.known).slots.values().cloned().collect()
    }

    /// A slot as last seen; the server is asked only if it never was.
    pub fn slot(&self, connection: &Connection, id: CK_SLOT_ID) -> Option<Arc<Slot>> {
        if lock(&self.known).asked.is_none() {
            self.refresh(connection);
        }
        lock(&self.known).slots.get(&id).cloned()
    }

    fn is_fresh(&self) -> bool {
        lock(&self.known)
            .asked
            .is_some_and(|asked| asked.elapsed() < FRESH)
    }

    fn refresh(&self, connection: &Connection) {
        if self.is_fresh() {
            return;
        }
        let asking = lock(&self.asking);
        if self.is_fresh() {
            return;
        }
        let answer = ask(connection);
        let mut known = lock(&self.known);
        known.asked = Some(Instant::now());
        match answer {
            Ok((hsms, keys)) => known.put(hsms, &keys, connection.settings().wait_in),
            Err(error) => {
                // A machine where nothing is configured has no tokens, and nobody wants to read why.
                if connection.is_configured() {
                    report::line(&error.to_string());
                }
                // Sessions keep what they have; new ones find nothing.
                known.empty();
            }
        }
        drop(known);
        drop(asking);
    }
}

fn ask(connection: &Connection) -> Result<(Vec<HsmView>, Vec<SigningKeyView>), ClientError> {
    let client = connection.quick()?;
    Ok((client.hsms()?, client.keys()?))
}

impl Known {
    /// Slots stay, as programs expect of slots; what was in them cannot be had.
    fn empty(&mut self) {
        for slot in self.slots.values_mut() {
            *slot = Arc::new(Slot {
                id: slot.id,
                hsm: slot.hsm.clone(),
                token: None,
            });
        }
    }

    fn put(&mut self, hsms: Vec<HsmView>, keys: &[SigningKeyView], wait_in: WaitIn) {
        self.slots.clear();
        for hsm in hsms {
            let keys: Vec<_> = keys
                .iter()
                .filter(|key| key.hsm == hsm.id)
                .cloned()
                .collect();
            let usable = !matches!(
                hsm.state,
                HsmState::Absent { .. } | HsmState::Attached | HsmState::Failed { .. }
            );
            // An HSM that is there, but has nothing for this API token, is no slot.
            if usable && keys.is_empty() {
                continue;
            }
            let token = hsm.device.filter(|_| usable).map(|device| {
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
