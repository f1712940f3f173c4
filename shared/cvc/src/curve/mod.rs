//! Named curves.

mod domain;

use domain::Domain;

/// A curve that occurs on SmartCard-HSMs and in their certificates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Curve {
    /// NIST P-256.
    Secp256r1,
    /// NIST P-384.
    Secp384r1,
    /// NIST P-521.
    Secp521r1,
    /// The Koblitz curve of SEC 2, which Pico HSM's certificates use.
    Secp256k1,
    /// 256-bit curve of RFC 5639, which CardContact's certificates and custodian keys use.
    BrainpoolP256r1,
    /// 384-bit curve of RFC 5639. It is recognised, but its signatures cannot be verified.
    BrainpoolP384r1,
    /// 512-bit curve of RFC 5639. It is recognised, but its signatures cannot be verified.
    BrainpoolP512r1,
}

/// The curve is known, but no maintained library implements its arithmetic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the curve {0} is known but not supported: use brainpoolP256r1 or secp256r1")]
pub struct UnsupportedCurve(pub Curve);

/// Domain parameters of a curve as big-endian numbers. All but the cofactor have the length of the field prime.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DomainParameters<'a> {
    /// Field prime.
    pub p: &'a [u8],
    /// Coefficient `a`.
    pub a: &'a [u8],
    /// Coefficient `b`.
    pub b: &'a [u8],
    /// Base point, `04 || x || y`.
    pub g: &'a [u8],
    /// Order of the base point.
    pub n: &'a [u8],
    /// Cofactor.
    pub h: &'a [u8],
}

impl Curve {
    /// All curves.
    pub const ALL: [Self; 7] = [
        Self::Secp256r1,
        Self::Secp384r1,
        Self::Secp521r1,
        Self::Secp256k1,
        Self::BrainpoolP256r1,
        Self::BrainpoolP384r1,
        Self::BrainpoolP512r1,
    ];

    const fn domain(self) -> &'static Domain {
        match self {
            Self::Secp256r1 => &domain::SECP256R1,
            Self::Secp384r1 => &domain::SECP384R1,
            Self::Secp521r1 => &domain::SECP521R1,
            Self::Secp256k1 => &domain::SECP256K1,
            Self::BrainpoolP256r1 => &domain::BRAINPOOLP256R1,
            Self::BrainpoolP384r1 => &domain::BRAINPOOLP384R1,
            Self::BrainpoolP512r1 => &domain::BRAINPOOLP512R1,
        }
    }

    /// Domain parameters (SEC 2, RFC 5639).
    pub const fn domain_parameters(self) -> DomainParameters<'static> {
        let domain = self.domain();
        DomainParameters {
            p: domain.p,
            a: domain.a,
            b: domain.b,
            g: domain.g,
            n: domain.n,
            h: &[1],
        }
    }

    /// Finds the curve with exactly these parameters. Other parameters must be rejected: with parameters of their choice,
    /// attackers can forge signatures.
    pub fn from_parameters(parameters: &DomainParameters<'_>) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|curve| curve.domain_parameters() == *parameters)
    }

    /// Content octets of the curve's object identifier.
    pub const fn oid(self) -> &'static [u8] {
        self.domain().oid
    }

    /// Length in bytes of a coordinate, and of `r` and `s` in a plain signature.
    pub const fn field_len(self) -> usize {
        self.domain().p.len()
    }

    /// Size of the field in bits.
    pub const fn bits(self) -> usize {
        match self {
            Self::Secp256r1 | Self::Secp256k1 | Self::BrainpoolP256r1 => 256,
            Self::Secp384r1 | Self::BrainpoolP384r1 => 384,
            Self::Secp521r1 => 521,
            Self::BrainpoolP512r1 => 512,
        }
    }

    /// Name as in SEC 2 or RFC 5639.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Secp256r1 => "secp256r1",
            Self::Secp384r1 => "secp384r1",
            Self::Secp521r1 => "secp521r1",
            Self::Secp256k1 => "secp256k1",
            Self::BrainpoolP256r1 => "brainpoolP256r1",
            Self::BrainpoolP384r1 => "brainpoolP384r1",
            Self::BrainpoolP512r1 => "brainpoolP512r1",
        }
    }
}

impl std::fmt::Display for Curve {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl serde::Serialize for Curve {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> serde::Deserialize<'de> for Curve {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = <std::borrow::Cow<'_, str>>::deserialize(deserializer)?;
        Self::ALL
            .into_iter()
            .find(|curve| curve.name() == name)
            .ok_or_else(|| serde::de::Error::custom(format_args!("unknown curve `{name}`")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_must_match_completely() {
        for curve in Curve::ALL {
            let exact = curve.domain_parameters();
            assert_eq!(Curve::from_parameters(&exact), Some(curve));
            let other_base_point = DomainParameters {
                g: exact.n,
                ..exact
            };
            assert_eq!(Curve::from_parameters(&other_base_point), None);
        }
    }
}
