//! ECDSA signatures in their two encodings.

use super::SignatureError;
use crate::{
    curve::Curve,
    tlv::{self, Tag, TlvWriter},
};

/// An ECDSA signature `(r, s)`, with both numbers in `1..n`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EcSignature {
    curve: Curve,
    plain: Vec<u8>,
}

impl EcSignature {
    /// Reads the plain encoding `r || s` (BSI TR-03111), with two numbers of the length of a field element.
    ///
    /// # Errors
    /// [`SignatureError::Malformed`] if the length is wrong or a number is out of range.
    pub fn from_plain(plain: &[u8], curve: Curve) -> Result<Self, SignatureError> {
        let size = curve.field_len();
        let order = curve.domain_parameters().n;
        let in_range = |number: &[u8]| number.iter().any(|byte| *byte != 0) && number < order;
        if plain.len() == 2 * size && in_range(&plain[..size]) && in_range(&plain[size..]) {
            Ok(Self {
                curve,
                plain: plain.to_vec(),
            })
        } else {
            Err(SignatureError::Malformed(curve))
        }
    }

    /// Reads the DER encoding `SEQUENCE { INTEGER r, INTEGER s }` (RFC 3279). Superfluous leading zeros are tolerated, because
    /// some cards send them.
    ///
    /// # Errors
    /// [`SignatureError::Malformed`] if the structure is wrong or a number is out of range.
    pub fn from_der(der: &[u8], curve: Curve) -> Result<Self, SignatureError> {
        let malformed = SignatureError::Malformed(curve);
        let sequence = tlv::parse_exact(der).map_err(|_| malformed)?;
        let numbers = tlv::parse_all(sequence.value).map_err(|_| malformed)?;
        let [r, s] = numbers.as_slice() else {
            return Err(malformed);
        };
        if sequence.tag != Tag::SEQUENCE || r.tag != Tag::INTEGER || s.tag != Tag::INTEGER {
            return Err(malformed);
        }
        let size = curve.field_len();
        let mut plain = Vec::with_capacity(2 * size);
        for number in [r.value, s.value] {
            let zeros = number.iter().take_while(|byte| **byte == 0).count();
            let significant = &number[zeros..];
            let missing = size.checked_sub(significant.len()).ok_or(malformed)?;
            plain.resize(plain.len() + missing, 0);
            plain.extend_from_slice(significant);
        }
        Self::from_plain(&plain, curve)
    }

    /// The signature with the smaller of the two possible values of `s`. Both `(r, s)` and `(r, n - s)` are valid, and devices
    /// return either.
    #[must_use]
    pub fn normalised(&self) -> Self {
        let (r, s) = self.plain.split_at(self.curve.field_len());
        let other = difference(self.curve.domain_parameters().n, s);
        let smaller = if other.as_slice() < s { &other } else { s };
        Self {
            curve: self.curve,
            plain: [r, smaller].concat(),
        }
    }

    /// The curve of the signature.
    pub fn curve(&self) -> Curve {
        self.curve
    }

    pub(super) fn plain(&self) -> &[u8] {
        &self.plain
    }

    /// Writes the plain encoding `r || s` (BSI TR-03111).
    pub fn to_plain(&self) -> Vec<u8> {
        self.plain.clone()
    }

    /// Writes the DER encoding `SEQUENCE { INTEGER r, INTEGER s }` (RFC 3279).
    pub fn to_der(&self) -> Vec<u8> {
        let (r, s) = self.plain.split_at(self.curve.field_len());
        TlvWriter::new()
            .with(Tag::INTEGER, &integer(r))
            .with(Tag::INTEGER, &integer(s))
            .wrap(Tag::SEQUENCE)
    }
}

/// The difference of two big-endian numbers of the same length. The first must be the larger one.
fn difference(from: &[u8], subtract: &[u8]) -> Vec<u8> {
    let mut out = from.to_vec();
    let mut borrow = false;
    for (byte, less) in out.iter_mut().zip(subtract).rev() {
        let (part, under) = byte.overflowing_sub(*less);
        let (whole, under_again) = part.overflowing_sub(u8::from(borrow));
        *byte = whole;
        borrow = under || under_again;
    }
    out
}

/// Content octets of a DER INTEGER for an unsigned big-endian number.
pub(crate) fn integer(number: &[u8]) -> Vec<u8> {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    let significant = &number[zeros..];
    let mut out = Vec::with_capacity(significant.len() + 1);
    if significant.first().is_none_or(|byte| byte & 0x80 != 0) {
        out.push(0);
    }
    out.extend_from_slice(significant);
    out
}
