//! A SmartCard-HSM in software, which answers APDUs as the card would and has the same state machine.
//!
//! A simulated root, whose private key is public, certifies its device. Only programs that were started for a demo or test
//! accept it. The simulator is as strict as a real device: it refuses every command that the device would refuse.

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
