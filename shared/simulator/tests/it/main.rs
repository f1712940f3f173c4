//! Tests of the simulated card, through the driver and byte by byte.

#![allow(clippy::expect_used, clippy::panic, reason = "tests")]

mod batched;
mod bytes;
mod driver;
mod key_domains;
mod lock_proof;
mod locked;
mod robust;
mod support;
mod vpcd;
