//! Measures how fast PKCS#11 modules sign and how fast commands reach a remote HSM.
//!
//! `countersign-pkcs11-load` puts a load on a module. OpenSC's module with a simulated card serves as the comparison.

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
