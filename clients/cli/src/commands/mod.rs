//! The commands, with one module each.

pub mod activation;
pub mod certificate;
pub mod keys;
pub mod pkcs11;
pub mod record;
pub mod sign;
pub mod verify;
