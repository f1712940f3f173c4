//! Functions for signing.

use std::sync::Arc;

use cryptoki_sys as ck;
use cryptoki_sys::{
    CK_MECHANISM, CK_OBJECT_HANDLE, CK_RSA_PKCS_PSS_PARAMS, CK_RV, CK_SESSION_HANDLE, CK_ULONG,
};

use super::{
    guard,
    pointer::{Buffer, check_buffer, copy_to, length, read, slice, write},
};
use crate::{
    mechanism::PssParameters,
    module::Module,
    rv::{Result, Rv},
    session::Session,
    sign::Signing,
};

const NOT_INITIALIZED: Rv = Rv(ck::CKR_OPERATION_NOT_INITIALIZED);

pub unsafe extern "C" fn sign_init(
    session: CK_SESSION_HANDLE,
    mechanism: *mut CK_MECHANISM,
    key: CK_OBJECT_HANDLE,
) -> CK_RV {
    guard(|| {
        let module = Module::get()?;
        let session = module.sessions.get(session)?;
        let mut operations = session.operations();
        if mechanism.is_null() {
            // In v3.0, this cancels the active operation.
            operations.sign = None;
            return Ok(());
        }
        if operations.sign.is_some() {
            return Err(Rv(ck::CKR_OPERATION_ACTIVE));
        }
        // SAFETY: the application's pointer to a mechanism.
        let mechanism = unsafe { read(mechanism.cast_const())? };
        // SAFETY: the mechanism's parameter is as long as it says.
        let pss = unsafe { pss_parameters(&mechanism)? };
        operations.sign = Some(module.sign_init(&session, key, mechanism.mechanism, pss)?);
        Ok(())
    })
}

/// Reads the parameters of RSASSA-PSS, if there are any.
///
/// # Safety
/// The parameter is null or as long as the mechanism says.
unsafe fn pss_parameters(mechanism: &CK_MECHANISM) -> Result<Option<PssParameters>> {
    if mechanism.pParameter.is_null() {
        return Ok(None);
    }
    if mechanism.ulParameterLen != length(size_of::<CK_RSA_PKCS_PSS_PARAMS>()) {
        // Some programs pass a pointer to mechanisms without parameters. Mechanisms that need parameters fail later.
        return Ok(None);
    }
    // SAFETY: not null and long enough. The read need not be aligned.
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
        let mut operations = session.operations();
        let signing = operations.sign.as_ref().ok_or(NOT_INITIALIZED)?;
        if signing.is_multipart() {
            operations.sign = None;
            return Err(Rv(ck::CKR_OPERATION_ACTIVE));
        }
        // SAFETY: the application's buffer with its length.
        let buffer = unsafe { check_buffer(signature, signature_length, signing.signature_len()) };
        if !can_finish(buffer, &mut operations.sign)? {
            return Ok(());
        }
        // The operation ends now, whether or not it succeeds.
        let mut signing = operations.sign.take().ok_or(NOT_INITIALIZED)?;
        // SAFETY: the application's data with its length.
        signing.update(unsafe { slice(data, data_length)? }, false)?;
        // SAFETY: the buffer was checked.
        unsafe { finish(&module, &session, signing, signature, signature_length) }
    })
}

/// Requests the signature and writes it to the buffer.
///
/// # Safety
/// `signature` has room for the signature, and `signature_length` is valid for writing.
unsafe fn finish(
    module: &Module,
    session: &Session,
    signing: Signing,
    signature: *mut u8,
    signature_length: *mut CK_ULONG,
) -> Result<()> {
    let made = module.sign(session, signing)?;
    // SAFETY: guaranteed by the caller.
    unsafe {
        copy_to(signature, &made);
        write(signature_length, length(made.len()))
    }
}

/// Whether the signature can be made now. The operation stays active after a length query or with a buffer that is too
/// small, and ends after any other error.
fn can_finish<T>(buffer: Result<Buffer>, operation: &mut Option<T>) -> Result<bool> {
    match buffer {
        Ok(buffer) => Ok(buffer == Buffer::LargeEnough),
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
        let mut operations = session.operations();
        let signing = operations.sign.as_mut().ok_or(NOT_INITIALIZED)?;
        // SAFETY: the application's data with its length.
        let result =
            unsafe { slice(part, part_length) }.and_then(|part| signing.update(part, true));
        if result.is_err() {
            operations.sign = None;
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
        let mut operations = session.operations();
        let signing = operations.sign.as_ref().ok_or(NOT_INITIALIZED)?;
        // SAFETY: the application's buffer with its length.
        let buffer = unsafe { check_buffer(signature, signature_length, signing.signature_len()) };
        if !can_finish(buffer, &mut operations.sign)? {
            return Ok(());
        }
        let signing = operations.sign.take().ok_or(NOT_INITIALIZED)?;
        // SAFETY: the buffer was checked.
        unsafe { finish(&module, &session, signing, signature, signature_length) }
    })
}
