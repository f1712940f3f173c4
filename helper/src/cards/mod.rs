//! Cards in readers: listing, finding, unlocking. One operation at a time.

mod card;
mod found;
mod guarded_transport;
mod pcsc;
mod readers;
#[cfg(feature = "simulator")]
mod simulated;
mod source;

pub use card::PinSession;
pub use found::{FoundCard, FoundKey};
pub use pcsc::PcscSource;
pub use readers::CardReaders;
#[cfg(feature = "simulator")]
pub use simulated::SimulatedSource;
pub use source::{CardSource, Reader};
