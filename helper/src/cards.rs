//! Cards in readers: listing, finding, unlocking. One operation at a time.

mod card;
mod desk;
mod found;
mod lent;
mod pcsc;
#[cfg(feature = "simulator")]
mod simulated;
mod source;

pub use card::PinSession;
pub use desk::CardDesk;
pub use found::{FoundCard, FoundKey};
pub use pcsc::PcscSource;
#[cfg(feature = "simulator")]
pub use simulated::SimulatedSource;
pub use source::{CardSource, Reader};
