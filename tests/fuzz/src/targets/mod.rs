//! The targets, one file each.

pub mod apdu;
pub mod approval;
pub mod config;
pub mod cvc;
pub mod driver;
pub mod helper;
pub mod pkcs11;
pub mod ram;
pub mod rest;
pub mod secure_messaging;
pub mod tlv;
