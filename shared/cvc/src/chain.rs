//! Device chains: device -> issuer -> root.

use crate::{
    anchor::{AnchorKind, SIMULATED_ROOT_HOLDER, TrustAnchors},
    certificate::{Certificate, CertificateError, split_certificates},
    chr::{Chr, DeviceId},
    ec::SignatureError,
    public_key::PublicKey,
};

/// Issuer of development devices with firmware 0.17 or older.
const DEVELOPMENT_ISSUER: &str = "DECA00001";

/// The reason why a device is not accepted as genuine.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChainError {
    /// A certificate cannot be read.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// The file does not begin with two certificates.
    #[error(
        "expected the certificates of the device and its issuer, found {0}: the device's file 2F02 is damaged or was overwritten"
    )]
    Count(usize),
    /// The device is a development device, which no root certifies.
    #[error(
        "this device has a development certificate (firmware 0.17 or older), which no root certifies: use a newer device"
    )]
    DevelopmentDevice,
    /// The device certificate names another issuer.
    #[error(
        "the device certificate was issued by {expected}, but the issuer certificate belongs to {found}"
    )]
    WrongIssuer {
        /// Issuer that the device certificate names.
        expected: Chr,
        /// Holder of the issuer certificate.
        found: Chr,
    },
    /// The issuer certificate is a root certificate.
    #[error("the issuer certificate is the root {0}: expected an issuer that the root certifies")]
    RootAsIssuer(Chr),
    /// The device's key is not an EC key.
    #[error("the device's key is {found}: expected an EC key, as every SmartCard-HSM has one")]
    NotEcDevice {
        /// Kind of the key, such as "RSA 2048".
        found: String,
    },
    /// The root is not one of the trust anchors.
    #[error(
        "the device's root {0} is not a trust anchor: if the root is your own, add it to the configuration"
    )]
    UnknownRoot(Chr),
    /// The device is a simulated card, and the trust anchors do not include its root.
    #[error("this is a simulated card (root {0}): it is accepted in demo and test mode only")]
    SimulatedRoot(Chr),
    /// The root did not sign the issuer certificate.
    #[error("the issuer certificate is not signed by the root {root}: {why}")]
    IssuerSignature {
        /// Name of the trust anchor.
        root: Chr,
        /// The failed verification.
        why: SignatureError,
    },
    /// The issuer did not sign the device certificate.
    #[error("the device certificate is not signed by its issuer {issuer}: {why}")]
    DeviceSignature {
        /// Name of the issuer.
        issuer: Chr,
        /// The failed verification.
        why: SignatureError,
    },
}

/// Device and issuer certificate as a device presents them, not verified yet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DeviceChain {
    /// Device certificate.
    pub device: Certificate,
    /// Certificate of its issuer.
    pub issuer: Certificate,
}

impl DeviceChain {
    /// Reads the content of EF 2F02. A root after the two certificates is ignored, because roots never come from a card.
    ///
    /// # Errors
    /// The file does not begin with two certificates, or one of them cannot be read.
    pub fn from_ef(data: &[u8]) -> Result<Self, ChainError> {
        let mut certificates = split_certificates(data)?.into_iter();
        let count = certificates.len();
        match (certificates.next(), certificates.next()) {
            (Some(device), Some(issuer)) => Ok(Self { device, issuer }),
            (Some(device), None) if device.car().as_str() == DEVELOPMENT_ISSUER => {
                Err(ChainError::DevelopmentDevice)
            }
            _ => Err(ChainError::Count(count)),
        }
    }

    /// Encodes both certificates as in EF 2F02.
    pub fn to_ef(&self) -> Vec<u8> {
        [self.device.raw(), self.issuer.raw()].concat()
    }

    /// Verifies the chain up to a trusted root. Validity dates are not checked: the vendor's software does not check them
    /// either, and devices in use would stop working.
    ///
    /// # Errors
    /// The root is not trusted, a signature does not verify, or the certificates do not form a chain of device, issuer and
    /// root.
    pub fn verify(&self, anchors: &TrustAnchors) -> Result<VerifiedDevice, ChainError> {
        if self.device.car() != self.issuer.chr() {
            return Err(ChainError::WrongIssuer {
                expected: self.device.car().clone(),
                found: self.issuer.chr().clone(),
            });
        }
        // Otherwise an issuer, which the root certifies, would be accepted as a device.
        if self.issuer.car() == self.issuer.chr() {
            return Err(ChainError::RootAsIssuer(self.issuer.chr().clone()));
        }
        let root_name = self.issuer.car();
        let root = anchors.find(root_name).ok_or_else(|| {
            if root_name.holder() == SIMULATED_ROOT_HOLDER {
                ChainError::SimulatedRoot(root_name.clone())
            } else {
                ChainError::UnknownRoot(root_name.clone())
            }
        })?;
        self.issuer
            .verify_with(root.key())
            .map_err(|why| ChainError::IssuerSignature {
                root: root.chr().clone(),
                why,
            })?;
        let curve = root.key().curve();
        let issuer_key = self.issuer.key().resolve(curve)?;
        self.device
            .verify_with(&issuer_key)
            .map_err(|why| ChainError::DeviceSignature {
                issuer: self.issuer.chr().clone(),
                why,
            })?;
        let public_key = self.device.key().resolve(curve)?;
        if public_key.curve().is_none() {
            return Err(ChainError::NotEcDevice {
                found: public_key.kind(),
            });
        }
        Ok(VerifiedDevice {
            id: DeviceId(self.device.chr().clone()),
            public_key,
            anchor: root.name().to_owned(),
            kind: root.kind(),
            path: format!(
                "/{}/{}/{}",
                root.chr().holder(),
                self.issuer.chr().holder(),
                self.device.chr().holder()
            ),
            chain: self.clone(),
        })
    }
}

/// A genuine device. Only [`DeviceChain::verify`] constructs it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VerifiedDevice {
    id: DeviceId,
    public_key: PublicKey,
    anchor: String,
    kind: AnchorKind,
    path: String,
    chain: DeviceChain,
}

impl VerifiedDevice {
    /// Identity of the device.
    pub fn id(&self) -> &DeviceId {
        &self.id
    }

    /// Device key, always EC. It signs attestations and authenticates the secure channel.
    pub fn public_key(&self) -> &PublicKey {
        &self.public_key
    }

    /// Display name of the trust anchor that certifies the device.
    pub fn anchor(&self) -> &str {
        &self.anchor
    }

    /// Kind of that trust anchor.
    pub fn anchor_kind(&self) -> AnchorKind {
        self.kind
    }

    /// Path `/root/issuer/device`, from the holder parts of the names.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The verified certificates.
    pub fn chain(&self) -> &DeviceChain {
        &self.chain
    }
}
