//! TLV tags.

/// A TLV tag of one or two bytes as a big-endian number, such as `0x42` or `0x7F21`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tag(pub u16);

impl std::fmt::Display for Tag {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.0 > 0xFF {
            write!(f, "{:04X}", self.0)
        } else {
            write!(f, "{:02X}", self.0)
        }
    }
}

impl std::fmt::Debug for Tag {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Tag({self})")
    }
}

/// Tags of card-verifiable certificates (BSI TR-03110-3, annex D), and universal tags of ASN.1.
impl Tag {
    /// Card-verifiable certificate.
    pub const CERTIFICATE: Self = Self(0x7F21);
    /// Certificate body, which the signature covers.
    pub const BODY: Self = Self(0x7F4E);
    /// Profile identifier.
    pub const PROFILE: Self = Self(0x5F29);
    /// Certification authority reference.
    pub const CAR: Self = Self(0x42);
    /// Public key.
    pub const PUBLIC_KEY: Self = Self(0x7F49);
    /// Certificate holder reference.
    pub const CHR: Self = Self(0x5F20);
    /// Certificate holder authorisation template.
    pub const AUTHORISATION: Self = Self(0x7F4C);
    /// Discretionary data; the role inside an authorisation template.
    pub const DISCRETIONARY: Self = Self(0x53);
    /// First day of validity.
    pub const EFFECTIVE: Self = Self(0x5F25);
    /// Last day of validity.
    pub const EXPIRY: Self = Self(0x5F24);
    /// Signature.
    pub const SIGNATURE: Self = Self(0x5F37);
    /// Authenticated request.
    pub const REQUEST: Self = Self(0x67);
    /// ASN.1 SEQUENCE.
    pub const SEQUENCE: Self = Self(0x30);
    /// ASN.1 INTEGER.
    pub const INTEGER: Self = Self(0x02);
    /// ASN.1 BIT STRING.
    pub const BIT_STRING: Self = Self(0x03);
    /// ASN.1 NULL.
    pub const NULL: Self = Self(0x05);
    /// ASN.1 OBJECT IDENTIFIER.
    pub const OID: Self = Self(0x06);
}
