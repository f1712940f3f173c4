//! Starts the real programs of Countersign on simulated cards and plays the people who use them.
//!
//! Used by `cargo xtask demo` and by the tests in `tests/e2e`: what the demo shows is what the tests check.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "runs in tests and the demo only"
)]

pub mod cards;
pub mod checks;
pub mod connector;
pub mod custodians;
pub mod files;
pub mod helper;
pub mod pcsc;
pub mod person;
pub mod pinentry;
pub mod pool;
pub mod program;
pub mod server;
pub mod stage;
