//! Card-verifiable certificates (CVC), device chains and key attestation of the SmartCard-HSM.
//!
//! The crate does no I/O, needs no random numbers, and compiles to WebAssembly. The formats follow BSI TR-03110-3 as the
//! SmartCard-HSM uses it.

#![warn(missing_docs)]

mod anchor;
pub mod attestation;
mod certificate;
mod chain;
mod chr;
mod curve;
mod ec;
mod fingerprint;
mod hash;
pub mod issue;
mod openapi;
mod pka_file;
mod public_key;
mod request;
mod rsa_key;
mod spki;
pub mod tlv;
mod words;

pub use anchor::{AnchorError, AnchorKind, SIMULATED_ROOT_HOLDER, TrustAnchor, TrustAnchors};
pub use attestation::{AttestationError, AttestedKey};
pub use certificate::{Certificate, CertificateError, Date, KeyObject, Role, split_certificates};
pub use chain::{ChainError, DeviceChain, VerifiedDevice};
pub use chr::{Chr, ChrError, DeviceId};
pub use curve::{Curve, DomainParameters, UnsupportedCurve};
pub use ec::{EcPublicKey, EcSecretKey, EcSignature, KeyError, SignatureError};
pub use fingerprint::{Fingerprint, InvalidFingerprint};
pub use hash::HashAlgorithm;
pub use pka_file::{PkaFile, PkaFileError};
pub use public_key::PublicKey;
pub use request::{AuthenticatedRequest, RequestError};
pub use rsa_key::{RsaKeyError, RsaPublicKey};
pub use spki::SpkiError;
