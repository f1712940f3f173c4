//! APDUs, secure channel and driver for the SmartCard-HSM (Nitrokey HSM 2).
//!
//! All calls block, and one thread owns a card. A [`Transport`] carries APDUs to a card in a local reader, to a simulated card,
//! or over a network. [`SmartCardHsm`] is the driver on top of it.
//!
//! Command data can be a PIN, so commands and their encoded bytes are wiped when they are dropped.

#![warn(missing_docs)]

pub mod apdu;
mod driver;
mod error;
#[cfg(feature = "pcsc")]
pub mod pcsc;
mod pin;
pub mod pka;
pub mod secure_messaging;
pub mod transport;

pub use countersign_cvc::tlv;
pub use driver::{
    ApplicationInfo, DkekShare, InitializeOptions, InvalidOptions, KeyDomain, KeyDomainOptions,
    KeyInfo, KeyKind, KeySpec, LockCheck, LockProof, PinKind, PinStatus, PkaOptions, SignAlgorithm,
    SmartCardHsm, TokenInfo, WrappedKey, option_bits,
};
pub use error::CardError;
pub use pin::{InvalidPin, Pin, SoPin};
pub use transport::{ApduLimits, Atr, Locality, Transport, TransportError};
