//! Starts the real Countersign programs on simulated cards and plays the people who use them.
//!
//! `cargo xtask demo` and the tests in `tests/e2e` share this crate, so that the demo shows what the tests check.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "only tests and the demo use this crate"
)]

pub mod cards;
pub mod connector;
pub mod custodians;
pub mod deployment;
pub mod files;
pub mod helper;
pub mod main_job;
pub mod page;
pub mod pcsc;
pub mod people;
pub mod person;
pub mod pinentry;
pub mod pool;
pub mod ports;
pub mod program;
pub mod server;
pub mod shell;
pub mod wait;
