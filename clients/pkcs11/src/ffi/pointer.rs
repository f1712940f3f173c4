//! Converts pointers to values and back. The safety section of each function tells what the application must guarantee.

use std::slice;

use cryptoki_sys as ck;
use cryptoki_sys::{CK_ATTRIBUTE_TYPE, CK_ULONG};

use crate::rv::{Result, Rv};

const BAD: Rv = Rv(ck::CKR_ARGUMENTS_BAD);

pub fn length(length: usize) -> CK_ULONG {
    CK_ULONG::try_from(length).unwrap_or(CK_ULONG::MAX)
}

/// # Safety
/// `place` is null or valid for writing a `T`.
pub unsafe fn write<T>(place: *mut T, value: T) -> Result<()> {
    if place.is_null() {
        return Err(BAD);
    }
    // SAFETY: not null, and guaranteed by the caller.
    unsafe { place.write(value) };
    Ok(())
}

/// # Safety
/// `place` is null or valid for reading a `T`.
pub unsafe fn read<T: Copy>(place: *const T) -> Result<T> {
    if place.is_null() {
        return Err(BAD);
    }
    // SAFETY: not null, and guaranteed by the caller.
    Ok(unsafe { place.read() })
}

/// Converts a pointer and a number of values to a slice. Null is allowed if the number is 0.
///
/// # Errors
/// The pointer is null, or memory cannot hold that many values. Some programs pass on the length -1 of a missing
/// attribute.
///
/// # Safety
/// Unless there is an error, `first` points to `count` values that stay unchanged while the slice is used.
pub unsafe fn slice<'a, T>(first: *const T, count: CK_ULONG) -> Result<&'a [T]> {
    let count = usize::try_from(count).map_err(|_| BAD)?;
    let bytes = count.checked_mul(size_of::<T>());
    if bytes.is_none_or(|bytes| isize::try_from(bytes).is_err()) {
        return Err(BAD);
    }
    match (first.is_null(), count) {
        (_, 0) => Ok(&[]),
        (true, _) => Err(BAD),
        // SAFETY: not null, and guaranteed by the caller.
        (false, count) => Ok(unsafe { slice::from_raw_parts(first, count) }),
    }
}

/// A buffer of the application for a result (PKCS#11 v2.40, section 5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Buffer {
    /// The buffer is large enough.
    LargeEnough,
    /// There is no buffer, because the application only queries the length.
    LengthQuery,
}

/// Writes the needed length to `count`, and checks the buffer.
///
/// # Errors
/// The buffer is too small.
///
/// # Safety
/// `count` is null or valid for reading and writing.
pub unsafe fn check_buffer<T>(
    buffer: *mut T,
    count: *mut CK_ULONG,
    needed: usize,
) -> Result<Buffer> {
    // SAFETY: guaranteed by the caller.
    let capacity = unsafe { read(count)? };
    // SAFETY: guaranteed by the caller.
    unsafe { write(count, length(needed))? };
    if buffer.is_null() {
        Ok(Buffer::LengthQuery)
    } else if capacity < length(needed) {
        Err(Rv(ck::CKR_BUFFER_TOO_SMALL))
    } else {
        Ok(Buffer::LargeEnough)
    }
}

/// Writes values to a buffer of the application, and their number to `count`.
///
/// # Errors
/// The buffer is too small.
///
/// # Safety
/// `count` is null or valid for reading and writing. `buffer` is null or has room for `count` values.
pub unsafe fn write_all<T: Copy>(buffer: *mut T, count: *mut CK_ULONG, values: &[T]) -> Result<()> {
    // SAFETY: guaranteed by the caller.
    if unsafe { check_buffer(buffer, count, values.len())? } == Buffer::LargeEnough {
        // SAFETY: the capacity was checked.
        unsafe { copy_to(buffer, values) };
    }
    Ok(())
}

/// # Safety
/// `buffer` has room for the values.
pub unsafe fn copy_to<T: Copy>(buffer: *mut T, values: &[T]) {
    if values.is_empty() {
        return;
    }
    // SAFETY: guaranteed by the caller. The application's buffer does not overlap the values.
    unsafe { std::ptr::copy_nonoverlapping(values.as_ptr(), buffer, values.len()) };
}

/// Copies the types and values of attributes.
///
/// # Safety
/// `first` is null or points to `count` attributes with valid lengths of their values.
pub unsafe fn template(
    first: *const ck::CK_ATTRIBUTE,
    count: CK_ULONG,
) -> Result<Vec<(CK_ATTRIBUTE_TYPE, Vec<u8>)>> {
    // SAFETY: guaranteed by the caller.
    let attributes = unsafe { slice(first, count)? };
    attributes
        .iter()
        .map(|attribute| {
            // SAFETY: guaranteed by the caller.
            let value = unsafe { slice(attribute.pValue.cast::<u8>(), attribute.ulValueLen)? };
            Ok((attribute.type_, value.to_vec()))
        })
        .collect()
}

/// Pads text with spaces, or cuts it at the end of a character, to the fixed length of a field.
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
    fn an_impossible_length_is_rejected() {
        let bytes = [1_u8, 2, 3];
        let attributes = [ck::CK_ATTRIBUTE {
            type_: ck::CKA_LABEL,
            pValue: bytes.as_ptr().cast_mut().cast(),
            ulValueLen: ck::CK_UNAVAILABLE_INFORMATION,
        }];
        // SAFETY: values with an impossible length are not read.
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
