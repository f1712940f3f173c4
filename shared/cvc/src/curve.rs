//! Named curves.

mod domain;

use domain::Domain;

/// A curve that SmartCard-HSMs and their certificates use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Curve {
    /// NIST P-256.
    Secp256r1,
    /// NIST P-384.
    Secp384r1,
    /// NIST P-521.
    Secp521r1,
    /// The curve of Bitcoin, and of Pico HSM's certificates.
    Secp256k1,
    /// The curve of CardContact's certificates and of custodian keys.
    BrainpoolP256r1,
    /// Recognised only.
    BrainpoolP384r1,
    /// Recognised only.
    BrainpoolP512r1,
}

/// A curve without maintained arithmetic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the curve {0} is known but not supported: use brainpoolP256r1 or secp256r1")]
pub struct UnsupportedCurve(pub Curve);

/// Parameters of a curve: big endian, fixed length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DomainParameters<'a> {
    /// Field prime.
    pub p: &'a [u8],
    /// Coefficient a.
    pub a: &'a [u8],
    /// Coefficient b.
    pub b: &'a [u8],
    /// Base point, `04 || x || y`.
    pub g: &'a [u8],
    /// Order of the base point.
    pub n: &'a [u8],
    /// Cofactor.
    pub h: &'a [u8],
}

impl Curve {
    /// Every curve.
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

    /// The parameters.
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

    /// The curve with exactly these parameters. Anything else is refused: arbitrary parameters let anybody forge.
    pub fn from_parameters(parameters: &DomainParameters<'_>) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|curve| curve.domain_parameters() == *parameters)
    }

    /// Content of the curve's OBJECT IDENTIFIER.
    pub const fn oid(self) -> &'static [u8] {
        self.domain().oid
    }

    /// Length of a coordinate in bytes; `r` and `s` are as long.
    pub const fn field_len(self) -> usize {
        self.domain().p.len()
    }

    /// Size in bits.
    pub const fn bits(self) -> usize {
        match self {
            Self::Secp256r1 | Self::Secp256k1 | Self::BrainpoolP256r1 => 256,
            Self::Secp384r1 | Self::BrainpoolP384r1 => 384,
            Self::Secp521r1 => 521,
            Self::BrainpoolP512r1 => 512,
        }
    }

    /// Usual name.
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
            .ok_or_else(|| serde::de::Error::custom(format_args!("`{name}` is no known curve")))
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
