//! PKCS#11 module whose `C_Login` waits until enough custodians have approved and a remote HSM is open.
//!
//! Programs call [`ffi`], a thin layer that converts pointers to slices and results to return values, and stops panics.
//! The other modules are safe Rust, except `system`, and use the same API client as the command line.

mod addressed;
mod connection;
mod directory;
pub mod ffi;
mod lease;
mod login;
mod mechanism;
mod module;
mod object;
mod record;
mod report;
mod rv;
mod session;
mod sign;
mod system;
mod wait;
