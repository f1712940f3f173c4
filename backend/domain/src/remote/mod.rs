//! Remote HSMs: RAMOverHTTP clients post to the server, which replies with commands for their card.
//!
//! A *session* belongs to one client. After the device has proven its key, its session is put into the *slot* of its HSM, through
//! which the HSM's thread uses the device. An unknown device waits until an admin accepts it. A device is identified by its
//! certificate and key, never by its connection.

mod ending;
mod session;
mod sessions;
mod slot;
mod transport;
mod url_token;
mod waiting;

pub use ending::Ending;
pub use session::{Connection, RamSession, Reply};
pub use slot::{RemoteConnector, Slot};
pub use transport::{EXAMINATION_TIMEOUT, RemoteTransport};
pub use url_token::UrlToken;
pub use waiting::{Arrival, TooManyWaiting, Waiting};

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use countersign_protocol::{cvc::DeviceId, id::HsmId};

use self::sessions::RamSessions;
use crate::config::RemoteConfig;

/// All remote devices: attached, waiting and allowed ones. Clones share the same state.
#[derive(Clone)]
pub struct Remote(Arc<Inner>);

struct Inner {
    token: Option<UrlToken>,
    sessions: RamSessions,
    slots: Mutex<BTreeMap<DeviceId, Slot>>,
    waiting: Mutex<BTreeMap<DeviceId, Waiting>>,
}

impl Remote {
    /// Reads the configured token. No device is allowed or attached yet.
    ///
    /// # Errors
    /// The token's file cannot be read, or does not hold a token.
    pub fn open(config: &RemoteConfig) -> anyhow::Result<Self> {
        let token = config.token_file.as_deref().map(UrlToken::read);
        Ok(Self(Arc::new(Inner {
            token: token.transpose()?,
            sessions: RamSessions::default(),
            slots: Mutex::default(),
            waiting: Mutex::default(),
        })))
    }

    /// Whether a client may use the address with this token, or without one.
    pub fn lets_in(&self, token: Option<&str>) -> bool {
        match (&self.0.token, token) {
            (None, None) => true,
            (Some(expected), Some(token)) => expected.matches(token),
            (None, Some(_)) | (Some(_), None) => false,
        }
    }

    pub fn sessions(&self) -> &RamSessions {
        &self.0.sessions
    }

    /// Allows this device to attach as this HSM. `unprotected`: it may attach without a secure channel.
    pub fn admit(&self, hsm: &HsmId, device: &DeviceId, unprotected: bool) -> RemoteConnector {
        let slot = Slot::new(hsm.clone(), unprotected);
        let connector = RemoteConnector::new(device.clone(), slot.clone());
        self.slots().insert(device.clone(), slot);
        connector
    }

    /// The slot of a device, if it is allowed to attach.
    pub fn slot(&self, device: &DeviceId) -> Option<Slot> {
        self.slots().get(device).cloned()
    }

    /// Stops allowing this device to attach.
    pub fn remove_slot(&self, device: &DeviceId) -> Option<Slot> {
        self.slots().remove(device)
    }

    fn slots(&self) -> MutexGuard<'_, BTreeMap<DeviceId, Slot>> {
        lock(&self.0.slots)
    }

    fn waiting(&self) -> MutexGuard<'_, BTreeMap<DeviceId, Waiting>> {
        lock(&self.0.waiting)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
