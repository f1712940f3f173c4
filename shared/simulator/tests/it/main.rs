//! The simulated card, as the driver and its wire formats meet it.

#![allow(clippy::expect_used, clippy::panic, reason = "tests")]

mod bytes;
mod key_domains;
mod lock_proof;
mod locked;
mod robust;
mod story;
mod support;
mod together;
mod vpcd;
