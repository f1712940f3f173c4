//! HSMs that are attached from afar: RAMOverHTTP clients post to us, and are told what to do with their card.
//!
//! A *session* is one client's. What is behind it is found out at the *door*: a genuine device that proves its key is brought to
//! its *dock*, where the HSM's thread takes it over; an unknown one waits until an admin accepts it. The device is known by
//! its certificate and key, never by the connection.

mod admission;
mod dock;
mod door;
mod ending;
mod session;
mod sessions;
mod token;
mod transport;
mod waiting;

pub use admission::{accept, decline, start, withdraw};
pub use dock::RemoteConnector;
pub use door::receive;
pub use session::{Connection, Reply, Session};
pub use sessions::TooManySessions;
pub use token::UrlToken;
pub use transport::RemoteTransport;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use countersign_protocol::{cvc::DeviceId, id::HsmId};

use self::{dock::Dock, sessions::Sessions, waiting::Waiting};
use crate::config::RemoteConfig;

/// All that is attached from afar. Clones are the same.
#[derive(Clone)]
pub struct Remote(Arc<Inner>);

struct Inner {
    token: Option<UrlToken>,
    sessions: Sessions,
    docks: Mutex<BTreeMap<DeviceId, Dock>>,
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
            sessions: Sessions::default(),
            docks: Mutex::default(),
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

    /// Sessions by their cookies.
    pub fn sessions(&self) -> &Sessions {
        &self.0.sessions
    }

    /// From now on this device may be attached, as this HSM.
    pub fn admit(&self, hsm: &HsmId, device: &DeviceId, unprotected: bool) -> RemoteConnector {
        let dock = Dock::new(hsm.clone(), unprotected);
        let connector = RemoteConnector::new(device.clone(), dock.clone());
        self.docks().insert(device.clone(), dock);
        connector
    }

    fn docks(&self) -> MutexGuard<'_, BTreeMap<DeviceId, Dock>> {
        lock(&self.0.docks)
    }

    fn waiting(&self) -> MutexGuard<'_, BTreeMap<DeviceId, Waiting>> {
        lock(&self.0.waiting)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
