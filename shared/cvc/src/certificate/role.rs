//! Roles of certificate holders.

/// Role in the device hierarchy, from the certificate holder authorisation template (tag 7F4C).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// Root, C0.
    Root,
    /// Issuer of device certificates, 80.
    Issuer,
    /// Device, 00.
    Device,
    /// Any other value. Certificates in use differ, so roles decide nothing in this crate.
    Other(u8),
}

impl Role {
    pub(crate) const fn byte(self) -> u8 {
        match self {
            Self::Root => 0xC0,
            Self::Issuer => 0x80,
            Self::Device => 0x00,
            Self::Other(byte) => byte,
        }
    }
}
