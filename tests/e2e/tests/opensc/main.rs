//! OpenSC's programs, as Debian ships them, with simulated cards in PC/SC readers: everything is as with real cards.

#![allow(clippy::expect_used, clippy::panic, reason = "tests")]

mod copies;
mod decryption;
mod keys;
mod objects;
mod pins;
mod readers;
mod registration;
mod status;
