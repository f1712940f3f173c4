//! OpenSC's programs, as Debian ships them, use simulated cards in PC/SC readers just like real cards.

mod copies;
mod decryption;
mod keys;
mod objects;
mod pins;
mod readers;
mod registration;
mod status;
