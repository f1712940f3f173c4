//! Roles in the device hierarchy.

/// Role in the device hierarchy, from the certificate's authorisation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// Root.
    Root,
    /// Device issuer.
    Issuer,
    /// Device.
    Device,
    /// Not one of these. For information only: real certificates differ.
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
