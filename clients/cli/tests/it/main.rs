//! The built program, against a server that plays its part.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    reason = "tests"
)]

mod activation;
mod certificate;
mod fake;
mod program;
mod record;
mod sign;
mod usage;
mod verify;
