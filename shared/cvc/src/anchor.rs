//! Trust anchors: the roots of device chains.

use crate::{
    certificate::{Certificate, CertificateError},
    chr::Chr,
    ec::SignatureError,
    public_key::PublicKey,
};

/// Holder part of the name of the card simulator's root. Its private key is public, so only demos and tests may trust it.
pub const SIMULATED_ROOT_HOLDER: &str = "ZZSIMROOT";

const PRODUCTION: &[u8] = include_bytes!("../anchors/cardcontact-production-root.cvc");
const TEST: &[u8] = include_bytes!("../anchors/cardcontact-test-root.cvc");

/// The kind of device that an anchor certifies.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum AnchorKind {
    /// Genuine devices of the vendor.
    Production,
    /// The vendor's test devices.
    Test,
    /// Devices under a root that the configuration adds.
    Configured,
    /// Simulated cards, which protect nothing.
    Simulated,
}

/// The reason why a certificate is not accepted as an anchor.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AnchorError {
    /// The bytes are not a certificate.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// The certificate names another issuer, so it is not a root.
    #[error("{0} was issued by {1}: an anchor must be a self-signed root certificate")]
    NotSelfSigned(Chr, Chr),
    /// The self-signature does not verify.
    #[error("the root certificate is not signed by its own key: {0}")]
    Signature(#[from] SignatureError),
    /// Another root has the same name and a different key.
    #[error("two anchors named {0} have different keys: remove one of them from the configuration")]
    NameTaken(Chr),
    /// The simulated root was offered as a real one.
    #[error(
        "{0} is the root of simulated cards, whose private key is public: it is accepted in demo and test mode only"
    )]
    Simulated(Chr),
    /// A real root was offered as the simulated one.
    #[error("{0} is not the root of simulated cards")]
    NotSimulated(Chr),
}

/// A trusted root certificate.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TrustAnchor {
    name: String,
    kind: AnchorKind,
    certificate: Certificate,
    key: PublicKey,
}

impl TrustAnchor {
    /// Checks a self-signed root certificate, `data` being the card-verifiable certificate with its tag 7F21. The root of
    /// simulated cards, and no other root, is accepted as [`AnchorKind::Simulated`].
    ///
    /// # Errors
    /// The certificate cannot be read, is not self-signed, or does not match `kind`.
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

    /// Name for display.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The kind of device that this anchor certifies.
    pub fn kind(&self) -> AnchorKind {
        self.kind
    }

    /// Holder reference of the root.
    pub fn chr(&self) -> &Chr {
        self.certificate.chr()
    }

    /// The root certificate.
    pub fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// Public key of the root.
    pub fn key(&self) -> &PublicKey {
        &self.key
    }
}

/// The anchors that a program trusts.
#[derive(Clone, Debug, Default)]
pub struct TrustAnchors(Vec<TrustAnchor>);

impl TrustAnchors {
    /// Only CardContact's production root.
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
        // A test checks the built-in files. A damaged file would leave out its anchor, so that fewer devices are accepted.
        self.0
            .extend(TrustAnchor::from_certificate(name, kind, data));
        self
    }

    /// Adds an anchor of a real PKI.
    ///
    /// # Errors
    /// [`AnchorError::Simulated`] for the root of simulated cards; [`AnchorError::NameTaken`] if a root with this name has
    /// another key.
    pub fn with(self, anchor: TrustAnchor) -> Result<Self, AnchorError> {
        if anchor.kind == AnchorKind::Simulated {
            return Err(AnchorError::Simulated(anchor.chr().clone()));
        }
        self.add(anchor)
    }

    /// Adds the root of simulated cards, for demos and tests only.
    ///
    /// # Errors
    /// [`AnchorError::NotSimulated`] for any other root; [`AnchorError::NameTaken`] if a root with this name has another key.
    pub fn with_simulated(self, anchor: TrustAnchor) -> Result<Self, AnchorError> {
        if anchor.kind != AnchorKind::Simulated {
            return Err(AnchorError::NotSimulated(anchor.chr().clone()));
        }
        self.add(anchor)
    }

    /// Rejects a second key under a known name: roots are looked up by name, so the result would depend on their order.
    fn add(mut self, anchor: TrustAnchor) -> Result<Self, AnchorError> {
        match self.find(anchor.chr()) {
            Some(known) if known.key == anchor.key => {}
            Some(_) => return Err(AnchorError::NameTaken(anchor.chr().clone())),
            None => self.0.push(anchor),
        }
        Ok(self)
    }

    /// Whether there is an anchor of this kind.
    pub fn allows(&self, kind: AnchorKind) -> bool {
        self.0.iter().any(|anchor| anchor.kind == kind)
    }

    /// Finds an anchor by the holder reference of its root.
    pub fn find(&self, chr: &Chr) -> Option<&TrustAnchor> {
        self.0.iter().find(|anchor| anchor.chr() == chr)
    }

    /// Iterates over the anchors in the order in which they were added.
    pub fn iter(&self) -> impl Iterator<Item = &TrustAnchor> {
        self.0.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_roots_are_accepted() {
        let anchors = TrustAnchors::production().with_test();
        let names: Vec<_> = anchors.iter().map(|anchor| anchor.chr().as_str()).collect();
        assert_eq!(names, ["DESRCACC100001", "UTSRCACC100001"]);
    }

    #[test]
    fn production_trusts_the_production_root_only() {
        assert_eq!(TrustAnchors::production().iter().count(), 1);
    }

    #[test]
    fn a_certificate_that_is_not_self_signed_is_rejected_as_an_anchor() {
        let issuer = include_bytes!("../testdata/annex-issuer.cvc");
        assert!(matches!(
            TrustAnchor::from_certificate("issuer", AnchorKind::Configured, issuer),
            Err(AnchorError::NotSelfSigned(..))
        ));
    }

    #[test]
    fn a_damaged_root_is_rejected_as_an_anchor() {
        let mut root = PRODUCTION.to_vec();
        let last = root.len() - 1;
        root[last] ^= 1;
        assert!(matches!(
            TrustAnchor::from_certificate("root", AnchorKind::Configured, &root),
            Err(AnchorError::Signature(_))
        ));
    }
}
