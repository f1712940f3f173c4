//! APDUs, secure channel and driver for the SmartCard-HSM (Nitrokey HSM 2).
//!
//! Everything blocks: one thread owns a card. A [`Transport`] carries APDUs to a card in a reader, to a simulated one, or
//! over a network; [`SmartCardHsm`] speaks to whatever is behind it.

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
