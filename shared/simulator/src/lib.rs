//! A software SmartCard-HSM: answers the card's APDUs as the card would, state machine included.
//!
//! Its device certificate comes from a simulated root whose private key is public: worthless by design, and accepted only
//! by programs that were started for demo or test. Not kinder than the device: what a card refuses is refused here.

#![warn(missing_docs)]

mod aes_key;
mod card;
mod command;
mod describe;
mod dkek;
mod file;
mod key;
mod key_domain;
mod known_key;
mod latency;
mod pki;
mod profile;
mod session;
mod simulator;
mod vpcd;
mod wrapped_key;

pub use file::{CardFileError, NewCard};
pub use latency::Latency;
pub use pki::simulated_anchor;
pub use profile::Profile;
pub use simulator::{ApduCounts, Fault, SimulatedTransport, Simulator};
pub use vpcd::{VpcdError, VpcdListener, run as run_vpcd};
