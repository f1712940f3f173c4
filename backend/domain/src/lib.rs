//! What the server does, without the ways in which it is reached: requests, approvals, leases, signatures, HSMs, people, storage.
//! Nothing here knows HTTP or TLS.

pub mod activation;
pub mod config;
pub mod devices;
pub mod events;
pub mod hsm;
pub mod identity;
pub mod keys;
pub mod people;
pub mod random;
pub mod remote;
pub mod signing;
pub mod store;
pub mod tokens;
pub mod views;
