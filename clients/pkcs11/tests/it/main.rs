//! Tests of the built module in a C program and in p11-kit, against a simulated server.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    reason = "tests"
)]
#![cfg(target_os = "linux")]

mod lease;
mod program;
mod registered;
#[path = "../../../cli/tests/it/server.rs"]
#[expect(dead_code, reason = "the tests of the command line use more of it")]
mod server;
mod silence;
