//! Integers in the protocol's encoding: big-endian two's complement with as few bytes as possible.

use countersign_cvc::tlv::Tlv;

use crate::MessageError;

pub(crate) fn encode(value: i32) -> Vec<u8> {
    let bytes = value.to_be_bytes();
    let mut start = 0;
    while start < 3 {
        let redundant = match bytes[start] {
            0x00 => bytes[start + 1] & 0x80 == 0,
            0xFF => bytes[start + 1] & 0x80 != 0,
            _ => false,
        };
        if !redundant {
            break;
        }
        start += 1;
    }
    bytes[start..].to_vec()
}

pub(crate) fn signed(object: &Tlv<'_>) -> Result<i32, MessageError> {
    let (first, rest) = object
        .value
        .split_first()
        .ok_or(MessageError::Integer(object.tag))?;
    if rest.len() > 3 {
        return Err(MessageError::Integer(object.tag));
    }
    let start = i32::from(i8::from_be_bytes([*first]));
    Ok(rest
        .iter()
        .fold(start, |value, byte| (value << 8) | i32::from(*byte)))
}

/// Decodes a count or a size. Some clients omit the leading zero byte, so the value is not treated as signed.
pub(crate) fn unsigned(object: &Tlv<'_>) -> Result<u32, MessageError> {
    let significant = object
        .value
        .iter()
        .position(|byte| *byte != 0)
        .map_or(&[][..], |start| &object.value[start..]);
    if object.value.is_empty() || significant.len() > 4 {
        return Err(MessageError::Integer(object.tag));
    }
    Ok(significant
        .iter()
        .fold(0, |value, byte| (value << 8) | u32::from(*byte)))
}

/// Encodes a count. A value beyond the range of the protocol's integers becomes the largest one.
pub(crate) fn encode_count(value: u32) -> Vec<u8> {
    encode(i32::try_from(value).unwrap_or(i32::MAX))
}
