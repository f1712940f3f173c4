//! Tests of the client against a server with canned responses, and of its configuration.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    reason = "tests"
)]

mod calls;
mod config;
mod server;
mod tls;
