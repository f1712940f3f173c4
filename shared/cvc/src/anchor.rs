//! Trust anchors: the roots of device chains.

use crate::{
    certificate::{Certificate, CertificateError},
    chr::Chr,
    ec::SignatureError,
    public_key::PublicKey,
};

/// Holder part of the card simulator's root. Its private key is public, so it must never be trusted outside demo and test.
pub const SIMULATED_ROOT_HOLDER: &str = "ZZSIMROOT";

const PRODUCTION: &[u8] = include_bytes!("../anchors/cardcontact-production-root.cvc");
const TEST: &[u8] = include_bytes!("../anchors/cardcontact-test-root.cvc");

/// What an anchor may be used for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum AnchorKind {
    /// Genuine devices.
    Production,
    /// The vendor's test devices.
    Test,
    /// Added by configuration.
    Configured,
    /// Simulated cards.
    Simulated,
}

/// Why a certificate cannot be an anchor.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AnchorError {
    /// Not a certificate.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// Not a root.
    #[error("{0} is signed by {1}: an anchor must be a root, signed by itself")]
    NotSelfSigned(Chr, Chr),
    /// Signature.
    #[error("the root's own signature is not good: {0}")]
    Signature(#[from] SignatureError),
    /// Two roots of one name.
    #[error(
        "there is another anchor named {0} with a different key: remove one of them from the configuration"
    )]
    NameTaken(Chr),
    /// A simulated root where none may be.
    #[error(
        "{0} is the root of simulated cards, whose key is public: it is accepted in demo and test only"
    )]
    Simulated(Chr),
    /// A real root in the place of a simulated one.
    #[error("{0} is not the root of simulated cards")]
    NotSimulated(Chr),
}

/// A root that is trusted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TrustAnchor {
    name: String,
    kind: AnchorKind,
    certificate: Certificate,
    key: PublicKey,
}

impl TrustAnchor {
    /// Checks a self-signed root certificate. The root of simulated cards is taken as [`AnchorKind::Simulated`] only, and no
    /// other root is.
    ///
    /// # Errors
    /// [`AnchorError`].
    pub fn from_certificate(
        name: &str,
        kind: AnchorKind,
        data: &[u8],
    ) -> Result<Self, AnchorError> {
        let certificate = Certificate::parse(data)?;
        if certificate.car() != certificate.chr() {
            return Err(AnchorError::NotSelfSigned(
                certificate.chr().clone(),
                certificate.car().clone(),
            ));
        }
        let key = certificate.key().resolve(None)?;
        certificate.verify_with(&key)?;
        let simulated = certificate.chr().holder() == SIMULATED_ROOT_HOLDER;
        match (kind == AnchorKind::Simulated, simulated) {
            (true, false) => Err(AnchorError::NotSimulated(certificate.chr().clone())),
            (false, true) => Err(AnchorError::Simulated(certificate.chr().clone())),
            _ => Ok(Self {
                name: name.to_owned(),
                kind,
                certificate,
                key,
            }),
        }
    }

    /// Name for people.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Kind.
    pub fn kind(&self) -> AnchorKind {
        self.kind
    }

    /// The root's name.
    pub fn chr(&self) -> &Chr {
        self.certificate.chr()
    }

    /// The root's certificate.
    pub fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// The root's key.
    pub fn key(&self) -> &PublicKey {
        &self.key
    }
}

/// The anchors that a program trusts.
#[derive(Clone, Debug, Default)]
pub struct TrustAnchors(Vec<TrustAnchor>);

impl TrustAnchors {
    /// CardContact's production root and nothing else.
    pub fn production() -> Self {
        Self::default().with_built_in(
            "CardContact production root",
            AnchorKind::Production,
            PRODUCTION,
        )
    }

    /// Adds CardContact's test root.
    #[must_use]
    pub fn with_test(self) -> Self {
        self.with_built_in("CardContact test root", AnchorKind::Test, TEST)
    }

    fn with_built_in(mut self, name: &str, kind: AnchorKind, data: &[u8]) -> Self {
        // The built-in files are checked by a test; a broken one would only mean one anchor less.
        self.0
            .extend(TrustAnchor::from_certificate(name, kind, data));
        self
    }

    /// Adds an anchor of a real PKI.
    ///
    /// # Errors
    /// [`AnchorError::Simulated`], [`AnchorError::NameTaken`].
    pub fn with(self, anchor: TrustAnchor) -> Result<Self, AnchorError> {
        if anchor.kind == AnchorKind::Simulated {
            return Err(AnchorError::Simulated(anchor.chr().clone()));
        }
        self.add(anchor)
    }

    /// Adds the root of simulated cards: demo and test only.
    ///
    /// # Errors
    /// [`AnchorError::NotSimulated`], [`AnchorError::NameTaken`].
    pub fn with_simulated(self, anchor: TrustAnchor) -> Result<Self, AnchorError> {
        if anchor.kind != AnchorKind::Simulated {
            return Err(AnchorError::NotSimulated(anchor.chr().clone()));
        }
        self.add(anchor)
    }

    /// Roots are found by name, so two keys under one name would be a matter of luck.
    fn add(mut self, anchor: TrustAnchor) -> Result<Self, AnchorError> {
        match self.find(anchor.chr()) {
            Some(known) if known.key == anchor.key => {}
            Some(_) => return Err(AnchorError::NameTaken(anchor.chr().clone())),
            None => self.0.push(anchor),
        }
        Ok(self)
    }

    /// Whether devices under anchors of this kind are accepted.
    pub fn allows(&self, kind: AnchorKind) -> bool {
        self.0.iter().any(|anchor| anchor.kind == kind)
    }

    /// The anchor with this name.
    pub fn find(&self, chr: &Chr) -> Option<&TrustAnchor> {
        self.0.iter().find(|anchor| anchor.chr() == chr)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &TrustAnchor> {
        self.0.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn built_in_roots_are_good() {
        let anchors = TrustAnchors::production().with_test();
        let names: Vec<_> = anchors.iter().map(|anchor| anchor.chr().as_str()).collect();
        assert_eq!(names, ["DESRCACC100001", "UTSRCACC100001"]);
    }

    #[test]
    fn production_trusts_the_production_root_only() {
        assert_eq!(TrustAnchors::production().iter().count(), 1);
    }

    #[test]
    fn a_certificate_that_is_not_self_signed_is_no_anchor() {
        let issuer = include_bytes!("../testdata/annex-issuer.cvc");
        assert!(matches!(
            TrustAnchor::from_certificate("issuer", AnchorKind::Configured, issuer),
            Err(AnchorError::NotSelfSigned(..))
        ));
    }

    #[test]
    fn a_damaged_root_is_no_anchor() {
        let mut root = PRODUCTION.to_vec();
        let last = root.len() - 1;
        root[last] ^= 1;
        assert!(matches!(
            TrustAnchor::from_certificate("root", AnchorKind::Configured, &root),
            Err(AnchorError::Signature(_))
        ));
    }
}
