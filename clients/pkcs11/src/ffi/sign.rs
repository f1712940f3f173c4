//! Signing.

use std::sync::Arc;

use cryptoki_sys as ck;
use cryptoki_sys::{
    CK_MECHANISM, CK_OBJECT_HANDLE, CK_RSA_PKCS_PSS_PARAMS, CK_RV, CK_SESSION_HANDLE, CK_ULONG,
};

use super::{
    guard,
    pointer::{Room, length, put, read, room, slice, write},
};
use crate::{
    mechanism::PssParameters,
    module::Module,
    rv::{Result, Rv},
    session::Session,
    sign::Signing,
};

const NOT_BEGUN: Rv = Rv(ck::CKR_OPERATION_NOT_INITIALIZED);

pub unsafe extern "C" fn sign_init(
    session: CK_SESSION_HANDLE,
    mechanism: *mut CK_MECHANISM,
    key: CK_OBJECT_HANDLE,
) -> CK_RV {
    guard(|| {
        let module = Module::get()?;
        let session = module.sessions.get(session)?;
        let mut work = session.work();
        if mechanism.is_null() {
            // v3.0: ends what is under way.
            work.sign = None;
            return Ok(());
        }
        if work.sign.is_some() {
            return Err(Rv(ck::CKR_OPERATION_ACTIVE));
        }
        // SAFETY: the application's pointer to a mechanism.
        let mechanism = unsafe { read(mechanism.cast_const())? };
        // SAFETY: the mechanism's parameter is as long as it says.
        let pss = unsafe { pss_parameters(&mechanism)? };
        work.sign = Some(module.sign_init(&session, key, mechanism.mechanism, pss)?);
        Ok(())
    })
}

/// Parameters of RSASSA-PSS; `None`: there are no parameters.
///
/// # Safety
/// The parameter is null or as long as the mechanism says.
unsafe fn pss_parameters(mechanism: &CK_MECHANISM) -> Result<Option<PssParameters>> {
    if mechanism.pParameter.is_null() {
        return Ok(None);
    }
    if mechanism.ulParameterLen != length(size_of::<CK_RSA_PKCS_PSS_PARAMS>()) {
        // Some programs leave a pointer where nothing is needed; what needs parameters refuses without.
        return Ok(None);
    }
    // SAFETY: not null, long enough, and maybe not aligned.
    let parameters = unsafe {
        mechanism
            .pParameter
            .cast::<CK_RSA_PKCS_PSS_PARAMS>()
            .read_unaligned()
    };
    Ok(Some(PssParameters {
        hash: parameters.hashAlg,
        mgf: parameters.mgf,
        salt: parameters.sLen,
    }))
}

pub unsafe extern "C" fn sign(
    session: CK_SESSION_HANDLE,
    data: *mut u8,
    data_length: CK_ULONG,
    signature: *mut u8,
    signature_length: *mut CK_ULONG,
) -> CK_RV {
    guard(|| {
        let module = Module::get()?;
        let session = module.sessions.get(session)?;
        let mut work = session.work();
        let signing = work.sign.as_ref().ok_or(NOT_BEGUN)?;
        if signing.in_parts() {
            work.sign = None;
            return Err(Rv(ck::CKR_OPERATION_ACTIVE));
        }
        // SAFETY: the application's buffer with its length.
        let enough = unsafe { room(signature, signature_length, signing.signature_len()) };
        if !keeps_going(enough, &mut work.sign)? {
            return Ok(());
        }
        // Whatever comes now, the operation is over.
        let mut signing = work.sign.take().ok_or(NOT_BEGUN)?;
        // SAFETY: the application's data with its length.
        signing.update(unsafe { slice(data, data_length)? }, false)?;
        // SAFETY: there is room.
        unsafe { finish(&module, &session, signing, signature, signature_length) }
    })
}

/// Makes the signature and gives it out.
///
/// # Safety
/// `signature` has room for it; `signature_length` is valid for writing.
unsafe fn finish(
    module: &Module,
    session: &Session,
    signing: Signing,
    signature: *mut u8,
    signature_length: *mut CK_ULONG,
) -> Result<()> {
    let made = module.sign(session, signing)?;
    // SAFETY: the caller's promise.
    unsafe {
        put(signature, &made);
        write(signature_length, length(made.len()))
    }
}

/// Whether a signature is to be made now. A question for the length, or a buffer that is too small, leaves everything as
/// it is; other mistakes end the operation.
fn keeps_going<T>(room: Result<Room>, operation: &mut Option<T>) -> Result<bool> {
    match room {
        Ok(room) => Ok(room == Room::Enough),
        Err(error) => {
            if error != Rv(ck::CKR_BUFFER_TOO_SMALL) {
                *operation = None;
            }
            Err(error)
        }
    }
}

pub unsafe extern "C" fn sign_update(
    session: CK_SESSION_HANDLE,
    part: *mut u8,
    part_length: CK_ULONG,
) -> CK_RV {
    guard(|| {
        let session: Arc<Session> = Module::get()?.sessions.get(session)?;
        let mut work = session.work();
        let signing = work.sign.as_mut().ok_or(NOT_BEGUN)?;
        // SAFETY: the application's data with its length.
        let result =
            unsafe { slice(part, part_length) }.and_then(|part| signing.update(part, true));
        if result.is_err() {
            work.sign = None;
        }
        result
    })
}

pub unsafe extern "C" fn sign_final(
    session: CK_SESSION_HANDLE,
    signature: *mut u8,
    signature_length: *mut CK_ULONG,
) -> CK_RV {
    guard(|| {
        let module = Module::get()?;
        let session = module.sessions.get(session)?;
        let mut work = session.work();
        let signing = work.sign.as_ref().ok_or(NOT_BEGUN)?;
        // SAFETY: the application's buffer with its length.
        let enough = unsafe { room(signature, signature_length, signing.signature_len()) };
        if !keeps_going(enough, &mut work.sign)? {
            return Ok(());
        }
        let signing = work.sign.take().ok_or(NOT_BEGUN)?;
        // SAFETY: there is room.
        unsafe { finish(&module, &session, signing, signature, signature_length) }
    })
}
