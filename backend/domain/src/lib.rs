//! The server's domain logic: requests, approvals, leases, signatures, HSMs, people and storage. The crate does not know HTTP or
//! TLS, which the server crate adds.

pub mod activation;
pub mod acts;
pub mod clock;
pub mod config;
pub mod devices;
pub mod events;
pub mod faults;
pub mod hsm;
pub mod identity;
pub mod keys;
pub mod mandate;
pub mod network;
pub mod people;
pub mod random;
pub mod refusals;
pub mod remote;
pub mod signing;
pub mod store;
pub mod throttle;
pub mod tokens;
pub mod views;
