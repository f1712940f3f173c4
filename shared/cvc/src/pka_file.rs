//! `.pka` files: a key's request with the certificates of its device, as exported for registration.
//!
//! OpenSC writes `30 { 67, 7F21 device, 7F21 issuer }`; Smart Card Shell writes `30 { 06 oid, 61 { 7F21 }, 62 { 7F21 },
//! 63 { 67 } }`. Which certificate is which is decided by names.

use crate::{
    certificate::{Certificate, CertificateError},
    chain::DeviceChain,
    request::{AuthenticatedRequest, RequestError},
    tlv::{self, Tag, TlvError, TlvWriter},
};

/// 1.3.6.1.4.1.24991.4.3.1.
const PKA_OID: &[u8] = &[
    0x2B, 0x06, 0x01, 0x04, 0x01, 0x81, 0xC3, 0x1F, 0x04, 0x03, 0x01,
];

/// Why bytes are not a `.pka` file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PkaFileError {
    /// Not TLV, or something behind it.
    #[error("this is not a .pka file: {0}")]
    Tlv(#[from] TlvError),
    /// Wrong objects.
    #[error(
        "this is not a .pka file: it must hold one key request and two device certificates. Export it again with the helper, sc-hsm-tool or Smart Card Shell"
    )]
    Contents,
    /// Bad certificate.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// Bad request.
    #[error(transparent)]
    Request(#[from] RequestError),
}

/// A key's request and the chain of the device that vouches for it; nothing is verified yet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PkaFile {
    /// The key's request.
    pub request: AuthenticatedRequest,
    /// The device's certificates.
    pub chain: DeviceChain,
}

impl PkaFile {
    /// Reads either format.
    ///
    /// # Errors
    /// [`PkaFileError`].
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
        // Where names decide nothing the format's own order counts, and verification tells what is wrong.
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

    /// Certificate of the device that the key was generated in.
    pub fn device(&self) -> &Certificate {
        &self.chain.device
    }

    /// Certificate of the device's issuer.
    pub fn issuer(&self) -> &Certificate {
        &self.chain.issuer
    }

    /// OpenSC's format.
    pub fn to_old_format(&self) -> Vec<u8> {
        TlvWriter::new()
            .with_raw(self.request.raw())
            .with_raw(self.chain.device.raw())
            .with_raw(self.chain.issuer.raw())
            .wrap(Tag::SEQUENCE)
    }

    /// Smart Card Shell's format.
    pub fn to_new_format(&self) -> Vec<u8> {
        TlvWriter::new()
            .with(Tag::OID, PKA_OID)
            .with(Tag(0x61), self.chain.issuer.raw())
            .with(Tag(0x62), self.chain.device.raw())
            .with(Tag(0x63), self.request.raw())
            .wrap(Tag::SEQUENCE)
    }
}
