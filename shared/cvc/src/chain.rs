//! Device chains: device -> issuer -> root.

use crate::{
    anchor::{AnchorKind, SIMULATED_ROOT_HOLDER, TrustAnchors},
    certificate::{Certificate, CertificateError, split_certificates},
    chr::{Chr, DeviceId},
    ec::SignatureError,
    public_key::PublicKey,
};

/// Issuer name of development devices with firmware 0.17 and before.
const DEVELOPMENT_ISSUER: &str = "DECA00001";

/// Why a device is not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChainError {
    /// Certificates cannot be read.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// There are not two certificates.
    #[error("the device holds {0} certificate(s); device and issuer certificate are needed")]
    Count(usize),
    /// A development device.
    #[error(
        "this device has firmware 0.17 or older and a development certificate without a root: use a newer device"
    )]
    DevelopmentDevice,
    /// The two certificates do not belong together.
    #[error(
        "the device certificate names {expected} as its issuer, but the issuer certificate is of {found}"
    )]
    WrongIssuer {
        /// Named by the device.
        expected: Chr,
        /// Presented.
        found: Chr,
    },
    /// The issuer certificate is a root.
    #[error(
        "the issuer certificate is the root {0} itself: a device is certified by an issuer below the root"
    )]
    RootAsIssuer(Chr),
    /// The device's key is no EC key.
    #[error("the device's key is {found}: SmartCard-HSMs have EC device keys")]
    NotEcDevice {
        /// What it is.
        found: String,
    },
    /// The root is not trusted.
    #[error("the device's root {0} is not trusted here: if it is yours, add it as a trust anchor")]
    UnknownRoot(Chr),
    /// A simulated card outside demo and test.
    #[error("this is a simulated card (root {0}): it is accepted in demo and test mode only")]
    SimulatedRoot(Chr),
    /// The issuer's certificate is not signed by the root.
    #[error("the issuer certificate is not signed by the root {root}: {why}")]
    IssuerSignature {
        /// The root.
        root: Chr,
        /// What is wrong.
        why: SignatureError,
    },
    /// The device's certificate is not signed by the issuer.
    #[error("the device certificate is not signed by its issuer {issuer}: {why}")]
    DeviceSignature {
        /// The issuer.
        issuer: Chr,
        /// What is wrong.
        why: SignatureError,
    },
}

/// Device and issuer certificate as a device presents them; nothing is verified yet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DeviceChain {
    /// Device certificate.
    pub device: Certificate,
    /// Certificate of its issuer.
    pub issuer: Certificate,
}

impl DeviceChain {
    /// Reads EF 2F02. A root behind the two is ignored: roots never come from a card.
    ///
    /// # Errors
    /// [`ChainError::Count`], [`ChainError::DevelopmentDevice`], [`ChainError::Certificate`].
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

    /// Both certificates, as in EF 2F02.
    pub fn to_ef(&self) -> Vec<u8> {
        [self.device.raw(), self.issuer.raw()].concat()
    }

    /// Verifies the chain up to a trusted root. Dates are not checked: the vendor's software does not either, and devices
    /// in use would stop working.
    ///
    /// # Errors
    /// [`ChainError`].
    pub fn verify(&self, anchors: &TrustAnchors) -> Result<VerifiedDevice, ChainError> {
        if self.device.car() != self.issuer.chr() {
            return Err(ChainError::WrongIssuer {
                expected: self.device.car().clone(),
                found: self.issuer.chr().clone(),
            });
        }
        // Else an issuer, certified by the root, would pass for a device.
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

/// A genuine device. Only [`DeviceChain::verify`] makes one.
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
    /// Its identity.
    pub fn id(&self) -> &DeviceId {
        &self.id
    }

    /// Its key, always EC: signs attestations, and is one end of the secure channel.
    pub fn public_key(&self) -> &PublicKey {
        &self.public_key
    }

    /// Name of the anchor that vouches for it.
    pub fn anchor(&self) -> &str {
        &self.anchor
    }

    /// Kind of that anchor.
    pub fn anchor_kind(&self) -> AnchorKind {
        self.kind
    }

    /// `/root/issuer/device`, holder parts only.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The certificates.
    pub fn chain(&self) -> &DeviceChain {
        &self.chain
    }
}
