//! BER-TLV as smart cards use it (ISO/IEC 7816-4, ISO/IEC 8825-1).
//!
//! The reader accepts any definite length form, and the writer produces DER. Signatures cover exact bytes, so every [`Tlv`]
//! retains the bytes from which it was read.

mod tag;

pub use tag::Tag;

/// The reason why bytes are not accepted as TLV.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TlvError {
    /// The data ends inside an object.
    #[error("the data ends in the middle of a TLV object")]
    Truncated,
    /// A tag has three bytes or more.
    #[error("a TLV tag is longer than two bytes")]
    TagTooLong,
    /// A length is indefinite or has more than three bytes.
    #[error("a TLV length is indefinite or longer than three bytes")]
    BadLength,
    /// A required object is missing.
    #[error("the TLV object {0} is missing")]
    Missing(Tag),
    /// Bytes follow the only object.
    #[error("the TLV object is followed by unexpected data of length {0}")]
    Trailing(usize),
}

/// One TLV object.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Tlv<'a> {
    /// Tag of one or two bytes.
    pub tag: Tag,
    /// Content without tag and length.
    pub value: &'a [u8],
    /// Tag, length and content as they were read.
    pub raw: &'a [u8],
}

/// Reads the first object; returns it and the bytes that follow.
///
/// # Errors
/// The data ends inside the object, or its tag or length has an unsupported form.
pub fn parse_one(data: &[u8]) -> Result<(Tlv<'_>, &[u8]), TlvError> {
    let mut at = 0;
    let mut next = || {
        let byte = data.get(at).copied().ok_or(TlvError::Truncated)?;
        at += 1;
        Ok::<_, TlvError>(byte)
    };
    let first = next()?;
    let tag = if first & 0x1F == 0x1F {
        let second = next()?;
        if second & 0x80 != 0 {
            return Err(TlvError::TagTooLong);
        }
        Tag(u16::from_be_bytes([first, second]))
    } else {
        Tag(u16::from(first))
    };
    let length = match next()? {
        short @ 0..=0x7F => usize::from(short),
        0x81 => usize::from(next()?),
        0x82 => usize::from(u16::from_be_bytes([next()?, next()?])),
        0x83 => {
            let bytes = [0, next()?, next()?, next()?];
            usize::try_from(u32::from_be_bytes(bytes)).map_err(|_| TlvError::BadLength)?
        }
        _ => return Err(TlvError::BadLength),
    };
    let end = at.checked_add(length).ok_or(TlvError::BadLength)?;
    let value = data.get(at..end).ok_or(TlvError::Truncated)?;
    Ok((
        Tlv {
            tag,
            value,
            raw: &data[..end],
        },
        &data[end..],
    ))
}

/// Reads exactly one object.
///
/// # Errors
/// [`TlvError::Trailing`] if bytes follow the object; otherwise as [`parse_one`].
pub fn parse_exact(data: &[u8]) -> Result<Tlv<'_>, TlvError> {
    match parse_one(data)? {
        (tlv, []) => Ok(tlv),
        (_, rest) => Err(TlvError::Trailing(rest.len())),
    }
}

/// Reads objects until the data ends.
///
/// # Errors
/// As [`parse_one`], for any of the objects.
pub fn parse_all(mut data: &[u8]) -> Result<Vec<Tlv<'_>>, TlvError> {
    let mut objects = Vec::new();
    while !data.is_empty() {
        let (tlv, rest) = parse_one(data)?;
        objects.push(tlv);
        data = rest;
    }
    Ok(objects)
}

/// Finds the first object with this tag.
pub fn find<'a>(objects: &[Tlv<'a>], tag: Tag) -> Option<Tlv<'a>> {
    objects.iter().copied().find(|object| object.tag == tag)
}

/// Finds the first object with this tag, which is required.
///
/// # Errors
/// [`TlvError::Missing`] if there is no such object.
pub fn expect<'a>(objects: &[Tlv<'a>], tag: Tag) -> Result<Tlv<'a>, TlvError> {
    find(objects, tag).ok_or(TlvError::Missing(tag))
}

/// Most bytes that tag and length take for content below 16 MiB.
const OVERHEAD: usize = 6;

/// Writes one object in DER.
pub fn encode(tag: Tag, value: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(value.len() + OVERHEAD);
    append(&mut out, tag, value);
    out
}

/// Appends one object in DER to `out`. If `out` has enough capacity, no other copy of the content is created in memory.
pub fn append(out: &mut Vec<u8>, tag: Tag, value: &[u8]) {
    match tag.0.to_be_bytes() {
        [0, low] => out.push(low),
        both => out.extend_from_slice(&both),
    }
    let length = value.len().to_be_bytes();
    match value.len() {
        short @ 0..=0x7F => out.push(short.to_le_bytes()[0]),
        _ => {
            let zeros = length.iter().take_while(|byte| **byte == 0).count();
            let significant = &length[zeros..];
            out.push(0x80 | significant.len().to_le_bytes()[0]);
            out.extend_from_slice(significant);
        }
    }
    out.extend_from_slice(value);
}

/// Writes a sequence of objects in DER.
#[derive(Clone, Debug, Default)]
pub struct TlvWriter(Vec<u8>);

impl TlvWriter {
    /// Creates an empty writer.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends one object.
    #[must_use]
    pub fn with(mut self, tag: Tag, value: &[u8]) -> Self {
        append(&mut self.0, tag, value);
        self
    }

    /// Appends one object if `value` is present.
    #[must_use]
    pub fn with_some(self, tag: Tag, value: Option<&[u8]>) -> Self {
        match value {
            Some(value) => self.with(tag, value),
            None => self,
        }
    }

    /// Appends encoded objects unchanged.
    #[must_use]
    pub fn with_raw(mut self, raw: &[u8]) -> Self {
        self.0.extend_from_slice(raw);
        self
    }

    /// Returns the encoded objects.
    pub fn finish(self) -> Vec<u8> {
        self.0
    }

    /// Returns one object with this tag that contains the encoded objects.
    pub fn wrap(self, tag: Tag) -> Vec<u8> {
        encode(tag, &self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn two_byte_tags_and_long_lengths_are_written_and_read() {
        let data = encode(Tag(0x7F21), &[0xAA; 300]);
        assert_eq!(&data[..5], &[0x7F, 0x21, 0x82, 0x01, 0x2C]);
        assert_eq!(
            parse_exact(&data).map(|tlv| (tlv.tag, tlv.value.len())),
            Ok((Tag(0x7F21), 300))
        );
    }

    #[test]
    fn a_length_in_a_longer_form_than_necessary_is_read() {
        let tlv = parse_exact(&[0xA5, 0x81, 0x01, 0x77]);
        assert_eq!(tlv.map(|tlv| tlv.value), Ok([0x77].as_slice()));
    }

    #[test]
    fn forms_that_cards_do_not_send_are_rejected() {
        assert_eq!(parse_one(&[0x42, 0x05, 0x01]), Err(TlvError::Truncated));
        assert_eq!(
            parse_one(&[0x30, 0x80, 0x00, 0x00]),
            Err(TlvError::BadLength)
        );
        assert_eq!(
            parse_one(&[0x7F, 0x81, 0x01, 0x00]),
            Err(TlvError::TagTooLong)
        );
        assert_eq!(parse_exact(&[0x42, 0x00, 0x00]), Err(TlvError::Trailing(1)));
    }

    proptest! {
        #[test]
        fn a_written_object_is_read_back(tag in prop_oneof![Just(0x42u16), Just(0x7F49), Just(0x5F37)], value in proptest::collection::vec(any::<u8>(), 0..70_000)) {
            let raw = encode(Tag(tag), &value);
            let tlv = parse_exact(&raw).expect("reads");
            prop_assert_eq!(tlv.value, value.as_slice());
            prop_assert_eq!(tlv.raw, raw.as_slice());
        }

        #[test]
        fn any_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = parse_all(&bytes);
        }
    }
}
