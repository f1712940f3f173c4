//! Functions that find objects and read their attributes.

use cryptoki_sys as ck;
use cryptoki_sys::{
    CK_ATTRIBUTE, CK_OBJECT_HANDLE, CK_RV, CK_SESSION_HANDLE, CK_ULONG, CK_UNAVAILABLE_INFORMATION,
};

use super::{
    guard,
    pointer::{copy_to, length, template, write},
};
use crate::{
    module::{self, Module},
    object::Value,
    rv::Rv,
};

pub unsafe extern "C" fn find_objects_init(
    session: CK_SESSION_HANDLE,
    first: *mut CK_ATTRIBUTE,
    count: CK_ULONG,
) -> CK_RV {
    guard(|| {
        let module = Module::get()?;
        let session = module.sessions.get(session)?;
        // SAFETY: the application's attributes with their number.
        let template = unsafe { template(first, count)? };
        let mut operations = session.operations();
        if operations.find.is_some() {
            return Err(Rv(ck::CKR_OPERATION_ACTIVE));
        }
        let objects = &module::token(&session.slot)?.objects;
        let mut found: Vec<_> = objects
            .iter()
            .filter(|object| module.is_visible(&session, object) && object.matches(&template))
            .map(|object| object.handle)
            .collect();
        // `find_objects` takes handles from the end.
        found.reverse();
        operations.find = Some(found);
        Ok(())
    })
}

pub unsafe extern "C" fn find_objects(
    session: CK_SESSION_HANDLE,
    handles: *mut CK_OBJECT_HANDLE,
    max_count: CK_ULONG,
    count: *mut CK_ULONG,
) -> CK_RV {
    guard(|| {
        let session = Module::get()?.sessions.get(session)?;
        let mut operations = session.operations();
        let found = operations
            .find
            .as_mut()
            .ok_or(Rv(ck::CKR_OPERATION_NOT_INITIALIZED))?;
        if count.is_null() || (handles.is_null() && max_count > 0) {
            return Err(Rv(ck::CKR_ARGUMENTS_BAD));
        }
        let max_count = usize::try_from(max_count).unwrap_or(usize::MAX);
        let remaining = found.len().saturating_sub(max_count);
        let mut taken = found.split_off(remaining);
        taken.reverse();
        // SAFETY: the application's buffer has room for `max_count` handles.
        unsafe {
            copy_to(handles, &taken);
            write(count, length(taken.len()))
        }
    })
}

pub unsafe extern "C" fn find_objects_final(session: CK_SESSION_HANDLE) -> CK_RV {
    guard(|| {
        let session = Module::get()?.sessions.get(session)?;
        let mut operations = session.operations();
        match operations.find.take() {
            Some(_) => Ok(()),
            None => Err(Rv(ck::CKR_OPERATION_NOT_INITIALIZED)),
        }
    })
}

pub unsafe extern "C" fn get_attribute_value(
    session: CK_SESSION_HANDLE,
    object: CK_OBJECT_HANDLE,
    first: *mut CK_ATTRIBUTE,
    count: CK_ULONG,
) -> CK_RV {
    guard(|| {
        let module = Module::get()?;
        let session = module.sessions.get(session)?;
        let (_, object) = module.object(&session, object)?;
        let count = usize::try_from(count).map_err(|_| Rv(ck::CKR_ARGUMENTS_BAD))?;
        let bytes = count.checked_mul(size_of::<CK_ATTRIBUTE>());
        if first.is_null() || bytes.is_none_or(|bytes| isize::try_from(bytes).is_err()) {
            return Err(Rv(ck::CKR_ARGUMENTS_BAD));
        }
        let mut result = Ok(());
        for index in 0..count {
            // SAFETY: the application's attributes with their number, to which no other thread writes during the call.
            let attribute = unsafe { &mut *first.add(index) };
            // SAFETY: the attribute's buffer is as long as it says.
            let written = unsafe { write_attribute(attribute, &object.attribute(attribute.type_)) };
            if let Err(error) = written {
                result = Err(error);
            }
        }
        result
    })
}

/// Writes the value of one attribute (PKCS#11 v2.40, section 5.7, C_GetAttributeValue).
///
/// # Safety
/// `pValue` is null or has room for `ulValueLen` bytes.
unsafe fn write_attribute(
    attribute: &mut CK_ATTRIBUTE,
    value: &Value<'_>,
) -> crate::rv::Result<()> {
    let capacity = attribute.ulValueLen;
    attribute.ulValueLen = CK_UNAVAILABLE_INFORMATION;
    let bytes = match value {
        Value::Bytes(bytes) => bytes,
        Value::Sensitive => return Err(Rv(ck::CKR_ATTRIBUTE_SENSITIVE)),
        Value::None => return Err(Rv(ck::CKR_ATTRIBUTE_TYPE_INVALID)),
    };
    if !attribute.pValue.is_null() {
        if capacity < length(bytes.len()) {
            return Err(Rv(ck::CKR_BUFFER_TOO_SMALL));
        }
        // SAFETY: the capacity was checked.
        unsafe { copy_to(attribute.pValue.cast::<u8>(), bytes) };
    }
    attribute.ulValueLen = length(bytes.len());
    Ok(())
}

pub unsafe extern "C" fn get_object_size(
    session: CK_SESSION_HANDLE,
    object: CK_OBJECT_HANDLE,
    place: *mut CK_ULONG,
) -> CK_RV {
    guard(|| {
        let module = Module::get()?;
        let session = module.sessions.get(session)?;
        let (_, object) = module.object(&session, object)?;
        // SAFETY: the application's pointer to a number.
        unsafe { write(place, length(object.size())) }
    })
}
