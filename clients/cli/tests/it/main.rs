//! Tests of the built program against a simulated server.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    reason = "tests"
)]

mod activation;
mod certificate;
mod program;
mod record;
mod server;
mod sign;
mod silence;
mod usage;
mod verify;
