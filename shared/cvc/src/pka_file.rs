//! `.pka` files: the authenticated request of a key with the certificates of its device, exported for registration.
//!
//! OpenSC writes `30 { 67, 7F21 device, 7F21 issuer }`; Smart Card Shell writes `30 { 06 oid, 61 { 7F21 }, 62 { 7F21 },
//! 63 { 67 } }`. The names in the certificates decide which one is the device's.

use crate::{
    certificate::{Certificate, CertificateError},
    chain::DeviceChain,
    request::{AuthenticatedRequest, RequestError},
    tlv::{self, Tag, TlvError, TlvWriter},
};

/// Object identifier of Smart Card Shell's format, 1.3.6.1.4.1.24991.4.3.1.
const PKA_OID: &[u8] = &[
    0x2B, 0x06, 0x01, 0x04, 0x01, 0x81, 0xC3, 0x1F, 0x04, 0x03, 0x01,
];

/// The reason why bytes are not accepted as a `.pka` file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PkaFileError {
    /// The bytes are not exactly one TLV object.
    #[error("this is not a .pka file: {0}")]
    Tlv(#[from] TlvError),
    /// The file does not hold exactly one request and two certificates.
    #[error(
        "this is not a .pka file: expected one key request and two certificates. Export the key again with the helper, sc-hsm-tool or Smart Card Shell"
    )]
    Contents,
    /// A certificate cannot be read.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// The request cannot be read.
    #[error(transparent)]
    Request(#[from] RequestError),
}

/// The request of a key and the certificates of the device that attests it, not verified yet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PkaFile {
    /// Authenticated request of the key.
    pub request: AuthenticatedRequest,
    /// Certificates of the device and its issuer.
    pub chain: DeviceChain,
}

impl PkaFile {
    /// Reads either format.
    ///
    /// # Errors
    /// The file does not hold exactly one request and two certificates, or one of them cannot be read.
    pub fn parse(data: &[u8]) -> Result<Self, PkaFileError> {
        let outer = tlv::parse_exact(data)?;
        if outer.tag != Tag::SEQUENCE {
            return Err(PkaFileError::Contents);
        }
        let mut request = None;
        let mut certificates = Vec::new();
        let mut issuer_first = false;
        for object in tlv::parse_all(outer.value)? {
            let inner = match object.tag {
                Tag(0x61..=0x63) => tlv::parse_exact(object.value)?,
                Tag::OID if object.value == PKA_OID => continue,
                _ => object,
            };
            match inner.tag {
                Tag::REQUEST if request.is_none() => {
                    request = Some(AuthenticatedRequest::parse(inner.raw)?)
                }
                Tag::CERTIFICATE => {
                    issuer_first |= certificates.is_empty() && object.tag == Tag(0x61);
                    certificates.push(Certificate::from_tlv(inner)?);
                }
                _ => return Err(PkaFileError::Contents),
            }
        }
        let (Some(request), Ok([first, second])) =
            (request, <[Certificate; 2]>::try_from(certificates))
        else {
            return Err(PkaFileError::Contents);
        };
        let first_is_device = first.chr() == request.outer_car() && first.car() == second.chr();
        let second_is_device = second.chr() == request.outer_car() && second.car() == first.chr();
        // If the names do not decide, the order of the format applies, and verification reports what is wrong.
        let swapped = if first_is_device == second_is_device {
            issuer_first
        } else {
            second_is_device
        };
        let chain = if swapped {
            DeviceChain {
                device: second,
                issuer: first,
            }
        } else {
            DeviceChain {
                device: first,
                issuer: second,
            }
        };
        Ok(Self { request, chain })
    }

    /// Certificate of the device in which the key was generated.
    pub fn device(&self) -> &Certificate {
        &self.chain.device
    }

    /// Certificate of the device's issuer.
    pub fn issuer(&self) -> &Certificate {
        &self.chain.issuer
    }

    /// Writes OpenSC's format.
    pub fn to_old_format(&self) -> Vec<u8> {
        TlvWriter::new()
            .with_raw(self.request.raw())
            .with_raw(self.chain.device.raw())
            .with_raw(self.chain.issuer.raw())
            .wrap(Tag::SEQUENCE)
    }

    /// Writes Smart Card Shell's format.
    pub fn to_new_format(&self) -> Vec<u8> {
        TlvWriter::new()
            .with(Tag::OID, PKA_OID)
            .with(Tag(0x61), self.chain.issuer.raw())
            .with(Tag(0x62), self.chain.device.raw())
            .with(Tag(0x63), self.request.raw())
            .wrap(Tag::SEQUENCE)
    }
}
