//! Dates in certificates.

use super::CertificateError;

/// A date in a certificate, encoded as `YYMMDD` in six unpacked digits. It is for display only: like the vendor's software,
/// this crate does not check validity.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Date {
    /// Year, 2000 to 2099.
    pub year: u16,
    /// Month as encoded, 0 to 99.
    pub month: u8,
    /// Day as encoded, 0 to 99.
    pub day: u8,
}

impl Date {
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, CertificateError> {
        match bytes {
            [y1, y2, m1, m2, d1, d2] if bytes.iter().all(|digit| *digit <= 9) => Ok(Self {
                year: 2000 + u16::from(y1 * 10 + y2),
                month: m1 * 10 + m2,
                day: d1 * 10 + d2,
            }),
            _ => Err(CertificateError::BadDate),
        }
    }

    pub(crate) fn to_bytes(self) -> [u8; 6] {
        let year = u8::try_from(self.year % 100).unwrap_or(0);
        [
            year / 10,
            year % 10,
            self.month / 10,
            self.month % 10,
            self.day / 10,
            self.day % 10,
        ]
    }
}

impl std::fmt::Display for Date {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}
