//! Measures how fast PKCS#11 modules sign (the load that `countersign-pkcs11-load` puts on a module, and OpenSC's module with
//! a simulated card to compare with), and how fast commands reach a card that is attached from afar.

mod algorithm;
mod countersign;
mod error;
mod figures;
mod key_pair;
mod load;
mod opensc;
pub mod pools;
mod round_trips;
mod token;

pub use algorithm::Algorithm;
pub use countersign::CountersignCard;
pub use error::LoadError;
pub use figures::Figures;
pub use load::{Load, Period};
pub use opensc::{Measurement, OPENSC_MODULE, OpenScCard};
pub use round_trips::RoundTrips;
