//! PKCS#11 module whose `C_Login` waits until enough custodians have opened a remote HSM.
//!
//! [`ffi`] is the only way in: a thin layer that turns pointers into slices and results into return values, and lets no
//! panic out. Everything behind it is safe Rust on the API client that the command line uses as well.

mod connection;
mod directory;
pub mod ffi;
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
