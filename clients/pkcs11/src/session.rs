//! Sessions.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use cryptoki_sys as ck;
use cryptoki_sys::{CK_OBJECT_HANDLE, CK_SESSION_HANDLE};

use crate::{
    directory::Slot,
    rv::{Result, Rv},
    sign::Signing,
};

/// A session. Several threads may hold it; what it does, it does one after the other.
pub struct Session {
    /// Its slot, as it was when the session was opened.
    pub slot: Arc<Slot>,
    /// Opened for reading and writing, although there is nothing to write.
    pub read_write: bool,
    work: Mutex<Work>,
}

/// What is under way in a session.
#[derive(Default)]
pub struct Work {
    /// Objects that `C_FindObjects` still has to tell.
    pub find: Option<Vec<CK_OBJECT_HANDLE>>,
    /// A signature.
    pub sign: Option<Signing>,
}

impl Session {
    /// What is under way.
    pub fn work(&self) -> MutexGuard<'_, Work> {
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Every session of the process.
#[derive(Default)]
pub struct Sessions {
    open: Mutex<HashMap<CK_SESSION_HANDLE, Arc<Session>>>,
    last: AtomicU64,
}

impl Sessions {
    fn open(&self) -> MutexGuard<'_, HashMap<CK_SESSION_HANDLE, Arc<Session>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens a session.
    pub fn add(&self, slot: Arc<Slot>, read_write: bool) -> CK_SESSION_HANDLE {
        let number = self.last.fetch_add(1, Ordering::Relaxed) + 1;
        let handle = CK_SESSION_HANDLE::try_from(number).unwrap_or(CK_SESSION_HANDLE::MAX);
        let session = Session {
            slot,
            read_write,
            work: Mutex::default(),
        };
        self.open().insert(handle, Arc::new(session));
        handle
    }

    /// A session.
    ///
    /// # Errors
    /// `CKR_SESSION_HANDLE_INVALID`.
    pub fn get(&self, handle: CK_SESSION_HANDLE) -> Result<Arc<Session>> {
        self.open()
            .get(&handle)
            .cloned()
            .ok_or(Rv(ck::CKR_SESSION_HANDLE_INVALID))
    }

    /// Closes a session; tells its slot, and whether it was the slot's last one.
    ///
    /// # Errors
    /// `CKR_SESSION_HANDLE_INVALID`.
    pub fn remove(&self, handle: CK_SESSION_HANDLE) -> Result<(ck::CK_SLOT_ID, bool)> {
        let mut open = self.open();
        let session = open
            .remove(&handle)
            .ok_or(Rv(ck::CKR_SESSION_HANDLE_INVALID))?;
        let slot = session.slot.id;
        Ok((slot, !open.values().any(|other| other.slot.id == slot)))
    }

    /// Closes every session of a slot.
    pub fn remove_all(&self, slot: ck::CK_SLOT_ID) {
        self.open().retain(|_, session| session.slot.id != slot);
    }

    /// Sessions of a slot, and those of them for writing.
    pub fn count(&self, slot: ck::CK_SLOT_ID) -> (usize, usize) {
        let open = self.open();
        let of_slot = || open.values().filter(|session| session.slot.id == slot);
        (
            of_slot().count(),
            of_slot().filter(|session| session.read_write).count(),
        )
    }
}
