//! One module per command.

pub mod activation;
pub mod keys;
pub mod sign;
pub mod verify;
