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

/// A session. Several threads may share it, but their operations run one after the other.
pub struct Session {
    /// The slot in the state at the opening of the session.
    pub slot: Arc<Slot>,
    /// Whether the session was opened for writing, although nothing can be written.
    pub read_write: bool,
    operations: Mutex<Operations>,
}

/// The active operations of a session.
#[derive(Default)]
pub struct Operations {
    /// Found objects that `C_FindObjects` has not returned yet.
    pub find: Option<Vec<CK_OBJECT_HANDLE>>,
    pub sign: Option<Signing>,
}

impl Session {
    pub fn operations(&self) -> MutexGuard<'_, Operations> {
        self.operations
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// The open sessions of the process.
#[derive(Default)]
pub struct Sessions {
    open: Mutex<HashMap<CK_SESSION_HANDLE, Arc<Session>>>,
    last_handle: AtomicU64,
}

impl Sessions {
    fn open(&self) -> MutexGuard<'_, HashMap<CK_SESSION_HANDLE, Arc<Session>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn add(&self, slot: Arc<Slot>, read_write: bool) -> CK_SESSION_HANDLE {
        let number = self.last_handle.fetch_add(1, Ordering::Relaxed) + 1;
        let handle = CK_SESSION_HANDLE::try_from(number).unwrap_or(CK_SESSION_HANDLE::MAX);
        let session = Session {
            slot,
            read_write,
            operations: Mutex::default(),
        };
        self.open().insert(handle, Arc::new(session));
        handle
    }

    pub fn get(&self, handle: CK_SESSION_HANDLE) -> Result<Arc<Session>> {
        self.open()
            .get(&handle)
            .cloned()
            .ok_or(Rv(ck::CKR_SESSION_HANDLE_INVALID))
    }

    /// Removes a session. Returns its slot, and whether the session was the last one of the slot.
    pub fn remove(&self, handle: CK_SESSION_HANDLE) -> Result<(ck::CK_SLOT_ID, bool)> {
        let mut open = self.open();
        let session = open
            .remove(&handle)
            .ok_or(Rv(ck::CKR_SESSION_HANDLE_INVALID))?;
        let slot = session.slot.id;
        Ok((slot, !open.values().any(|other| other.slot.id == slot)))
    }

    /// Removes every session of a slot.
    pub fn remove_all(&self, slot: ck::CK_SLOT_ID) {
        self.open().retain(|_, session| session.slot.id != slot);
    }

    /// Returns the number of a slot's sessions, and how many of them were opened for writing.
    pub fn count(&self, slot: ck::CK_SLOT_ID) -> (usize, usize) {
        let open = self.open();
        let of_slot = || open.values().filter(|session| session.slot.id == slot);
        (
            of_slot().count(),
            of_slot().filter(|session| session.read_write).count(),
        )
    }
}
