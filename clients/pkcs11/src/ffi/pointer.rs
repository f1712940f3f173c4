//! From pointers to values and back. Every function says what its caller, and so the application, must hold to.

use std::slice;

use cryptoki_sys as ck;
use cryptoki_sys::{CK_ATTRIBUTE_TYPE, CK_ULONG};

use crate::rv::{Result, Rv};

const BAD: Rv = Rv(ck::CKR_ARGUMENTS_BAD);

/// A length as PKCS#11 has it.
pub fn length(length: usize) -> CK_ULONG {
    CK_ULONG::try_from(length).unwrap_or(CK_ULONG::MAX)
}

/// Writes a value.
///
/// # Safety
/// `place` is null or valid for writing a `T`.
pub unsafe fn write<T>(place: *mut T, value: T) -> Result<()> {
    if place.is_null() {
        return Err(BAD);
    }
    // SAFETY: not null, and the caller's promise.
    unsafe { place.write(value) };
    Ok(())
}

/// Reads a value.
///
/// # Safety
/// `place` is null or valid for reading a `T`.
pub unsafe fn read<T: Copy>(place: *const T) -> Result<T> {
    if place.is_null() {
        return Err(BAD);
    }
    // SAFETY: not null, and the caller's promise.
    Ok(unsafe { place.read() })
}

/// Some values; null with length 0 is none.
///
/// # Errors
/// `CKR_ARGUMENTS_BAD`: null, or more than memory can hold. Programs hand on the length -1 of an attribute that is not there.
///
/// # Safety
/// `first` is null or points to `count` values that stay unchanged as long as the slice is used, unless they cannot be
/// that many.
pub unsafe fn slice<'a, T>(first: *const T, count: CK_ULONG) -> Result<&'a [T]> {
    let count = usize::try_from(count).map_err(|_| BAD)?;
    let bytes = count.checked_mul(size_of::<T>());
    if bytes.is_none_or(|bytes| isize::try_from(bytes).is_err()) {
        return Err(BAD);
    }
    match (first.is_null(), count) {
        (_, 0) => Ok(&[]),
        (true, _) => Err(BAD),
        // SAFETY: not null, and the caller's promise.
        (false, count) => Ok(unsafe { slice::from_raw_parts(first, count) }),
    }
}

/// How a buffer of the application takes an answer (PKCS#11 v2.40, section 5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    /// It is large enough.
    Enough,
    /// Only the length was asked for.
    LengthOnly,
}

/// Tells the length, and whether the values fit.
///
/// # Errors
/// `CKR_BUFFER_TOO_SMALL`.
///
/// # Safety
/// `count` is null or valid for reading and writing.
pub unsafe fn room<T>(buffer: *mut T, count: *mut CK_ULONG, needed: usize) -> Result<Room> {
    // SAFETY: the caller's promise.
    let given = unsafe { read(count)? };
    // SAFETY: the caller's promise.
    unsafe { write(count, length(needed))? };
    if buffer.is_null() {
        Ok(Room::LengthOnly)
    } else if given < length(needed) {
        Err(Rv(ck::CKR_BUFFER_TOO_SMALL))
    } else {
        Ok(Room::Enough)
    }
}

/// Gives values to the application, or only their number.
///
/// # Errors
/// `CKR_BUFFER_TOO_SMALL`.
///
/// # Safety
/// `count` is null or valid for reading and writing; `buffer` is null or has room for as many values as `count` says.
pub unsafe fn give<T: Copy>(buffer: *mut T, count: *mut CK_ULONG, values: &[T]) -> Result<()> {
    // SAFETY: the caller's promise.
    if unsafe { room(buffer, count, values.len())? } == Room::Enough {
        // SAFETY: there is room for them.
        unsafe { put(buffer, values) };
    }
    Ok(())
}

/// Writes values into a buffer.
///
/// # Safety
/// `buffer` has room for them.
pub unsafe fn put<T: Copy>(buffer: *mut T, values: &[T]) {
    if values.is_empty() {
        return;
    }
    // SAFETY: the caller's promise; the application's buffer is not one of ours.
    unsafe { std::ptr::copy_nonoverlapping(values.as_ptr(), buffer, values.len()) };
}

/// Attributes with their values.
///
/// # Safety
/// `first` is null or points to `count` attributes whose values are as long as they say.
pub unsafe fn template(
    first: *const ck::CK_ATTRIBUTE,
    count: CK_ULONG,
) -> Result<Vec<(CK_ATTRIBUTE_TYPE, Vec<u8>)>> {
    // SAFETY: the caller's promise.
    let attributes = unsafe { slice(first, count)? };
    attributes
        .iter()
        .map(|attribute| {
            // SAFETY: the caller's promise.
            let value = unsafe { slice(attribute.pValue.cast::<u8>(), attribute.ulValueLen)? };
            Ok((attribute.type_, value.to_vec()))
        })
        .collect()
}

/// Text as PKCS#11 lays it out: padded with spaces, cut where a character ends.
pub fn padded<const N: usize>(text: &str) -> [u8; N] {
    let mut end = text.len().min(N);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let bytes = text.get(..end).unwrap_or_default().as_bytes();
    std::array::from_fn(|index| bytes.get(index).copied().unwrap_or(b' '))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_that_cannot_be_are_refused() {
        let bytes = [1_u8, 2, 3];
        let attributes = [ck::CK_ATTRIBUTE {
            type_: ck::CKA_LABEL,
            pValue: bytes.as_ptr().cast_mut().cast(),
            ulValueLen: ck::CK_UNAVAILABLE_INFORMATION,
        }];
        // SAFETY: what could not be read is not read.
        unsafe {
            assert_eq!(slice(bytes.as_ptr(), CK_ULONG::MAX), Err(BAD));
            assert_eq!(
                slice(attributes.as_ptr(), CK_ULONG::MAX / 8).err(),
                Some(BAD)
            );
            assert_eq!(template(attributes.as_ptr(), 1), Err(BAD));
            assert_eq!(slice(bytes.as_ptr(), 3), Ok(bytes.as_slice()));
            assert_eq!(slice::<u8>(std::ptr::null(), 0), Ok([].as_slice()));
        }
    }
}
