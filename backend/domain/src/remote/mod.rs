//! HSMs that are attached remotely: RAMOverHTTP clients post to the server and are told what to do with their card.
//!
//! A *session* belongs to one client. A device that has proven its key is brought to its *slot*, where the HSM's thread takes the
//! session over; an unknown device waits until an admin accepts it. The device is known by its certificate and key, never by the
//! connection.

mod ending;
mod session;
mod sessions;
mod slot;
mod transport;
mod url_token;
mod waiting;

pub use ending::Ending;
pub use session::{Connection, RamSession, Reply};
pub use sessions::TooManySessions;
pub use slot::{RemoteConnector, Slot};
pub use transport::RemoteTransport;
pub use url_token::UrlToken;
pub use waiting::{Arrival, Place, Waiting};

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use countersign_protocol::{cvc::DeviceId, id::HsmId};

use self::sessions::RamSessions;
use crate::config::RemoteConfig;

/// Everything that is attached remotely. Clones share the same state.
#[derive(Clone)]
pub struct Remote(Arc<Inner>);

struct Inner {
    token: Option<UrlToken>,
    sessions: RamSessions,
    slots: Mutex<BTreeMap<DeviceId, Slot>>,
    waiting: Mutex<BTreeMap<DeviceId, Waiting>>,
}

impl Remote {
    /// Nothing is attached yet.
    ///
    /// # Errors
    /// The token cannot be read, or is no token.
    pub fn open(config: &RemoteConfig) -> anyhow::Result<Self> {
        let token = config.token_file.as_deref().map(UrlToken::read);
        Ok(Self(Arc::new(Inner {
            token: token.transpose()?,
            sessions: RamSessions::default(),
            slots: Mutex::default(),
            waiting: Mutex::default(),
        })))
    }

    /// Whether a client may use the address with this token, or with none.
    pub fn lets_in(&self, token: Option<&str>) -> bool {
        match (&self.0.token, token) {
            (None, None) => true,
            (Some(right), Some(token)) => right.is(token),
            (None, Some(_)) | (Some(_), None) => false,
        }
    }

    /// RamSessions by their cookies.
    pub fn sessions(&self) -> &RamSessions {
        &self.0.sessions
    }

    /// From now on this device may be attached, as this HSM.
    pub fn admit(&self, hsm: &HsmId, device: &DeviceId, unprotected: bool) -> RemoteConnector {
        let slot = Slot::new(hsm.clone(), unprotected);
        let connector = RemoteConnector::new(device.clone(), slot.clone());
        self.slots().insert(device.clone(), slot);
        connector
    }

    /// The place of a device that may be attached.
    pub fn slot(&self, device: &DeviceId) -> Option<Slot> {
        self.slots().get(device).cloned()
    }

    /// From now on this device may not be attached.
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
