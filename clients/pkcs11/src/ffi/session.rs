//! Functions for sessions and login.

use cryptoki_sys as ck;
use cryptoki_sys::{
    CK_FLAGS, CK_NOTIFY, CK_RV, CK_SESSION_HANDLE, CK_SESSION_INFO, CK_SLOT_ID, CK_ULONG,
    CK_USER_TYPE, CK_VOID_PTR,
};

use super::{guard, pointer::write};
use crate::{
    module::{self, Module},
    rv::Rv,
};

pub unsafe extern "C" fn open_session(
    slot: CK_SLOT_ID,
    flags: CK_FLAGS,
    _application: CK_VOID_PTR,
    _notify: CK_NOTIFY,
    place: *mut CK_SESSION_HANDLE,
) -> CK_RV {
    guard(|| {
        let module = Module::get()?;
        if flags & ck::CKF_SERIAL_SESSION == 0 {
            return Err(Rv(ck::CKR_SESSION_PARALLEL_NOT_SUPPORTED));
        }
        if place.is_null() {
            return Err(Rv(ck::CKR_ARGUMENTS_BAD));
        }
        let slot = module.slot(slot)?;
        module::token(&slot)?;
        let handle = module.sessions.add(slot, flags & ck::CKF_RW_SESSION != 0);
        // SAFETY: the application's pointer to a handle.
        unsafe { write(place, handle) }
    })
}

pub unsafe extern "C" fn close_session(session: CK_SESSION_HANDLE) -> CK_RV {
    guard(|| {
        let module = Module::get()?;
        let (slot, last) = module.sessions.remove(session)?;
        if last {
            module.on_last_session_closed(slot);
        }
        Ok(())
    })
}

pub unsafe extern "C" fn close_all_sessions(slot: CK_SLOT_ID) -> CK_RV {
    guard(|| {
        let module = Module::get()?;
        // Programs call this while they exit, so the server is not queried whether the slot exists.
        module.sessions.remove_all(slot);
        module.on_last_session_closed(slot);
        Ok(())
    })
}

pub unsafe extern "C" fn get_session_info(
    session: CK_SESSION_HANDLE,
    place: *mut CK_SESSION_INFO,
) -> CK_RV {
    guard(|| {
        let module = Module::get()?;
        let session = module.sessions.get(session)?;
        module.notice_end_of_lease(&session);
        let open = module.is_logged_in(session.slot.id);
        let write_flag: CK_FLAGS = if session.read_write {
            ck::CKF_RW_SESSION
        } else {
            0
        };
        let info = CK_SESSION_INFO {
            slotID: session.slot.id,
            state: match (session.read_write, open) {
                (false, false) => ck::CKS_RO_PUBLIC_SESSION,
                (false, true) => ck::CKS_RO_USER_FUNCTIONS,
                (true, false) => ck::CKS_RW_PUBLIC_SESSION,
                (true, true) => ck::CKS_RW_USER_FUNCTIONS,
            },
            flags: ck::CKF_SERIAL_SESSION | write_flag,
            ulDeviceError: 0,
        };
        // SAFETY: the application's pointer to a CK_SESSION_INFO.
        unsafe { write(place, info) }
    })
}

/// The PIN is never read. Only custodians need a PIN, and they enter it on their own computers.
pub unsafe extern "C" fn login(
    session: CK_SESSION_HANDLE,
    user: CK_USER_TYPE,
    _pin: *mut u8,
    _pin_length: CK_ULONG,
) -> CK_RV {
    guard(|| {
        let module = Module::get()?;
        let session = module.sessions.get(session)?;
        match user {
            ck::CKU_USER => module.login(&session),
            ck::CKU_CONTEXT_SPECIFIC => Err(Rv(ck::CKR_OPERATION_NOT_INITIALIZED)),
            _ => Err(Rv(ck::CKR_USER_TYPE_INVALID)),
        }
    })
}

/// `C_LoginUser` of v3.0, which ignores the user's name.
pub unsafe extern "C" fn login_user(
    session: CK_SESSION_HANDLE,
    user: CK_USER_TYPE,
    pin: *mut u8,
    pin_length: CK_ULONG,
    _name: *mut u8,
    _name_length: CK_ULONG,
) -> CK_RV {
    // SAFETY: the guarantees are the same.
    unsafe { login(session, user, pin, pin_length) }
}

pub unsafe extern "C" fn logout(session: CK_SESSION_HANDLE) -> CK_RV {
    guard(|| {
        let module = Module::get()?;
        let session = module.sessions.get(session)?;
        module.logout(&session)
    })
}

/// `C_SessionCancel` (v3.0, section 5.6.9).
pub unsafe extern "C" fn session_cancel(session: CK_SESSION_HANDLE, flags: CK_FLAGS) -> CK_RV {
    guard(|| {
        let session = Module::get()?.sessions.get(session)?;
        let mut operations = session.operations();
        if flags & ck::CKF_FIND_OBJECTS != 0 {
            operations.find = None;
        }
        if flags & ck::CKF_SIGN != 0 {
            operations.sign = None;
        }
        Ok(())
    })
}
