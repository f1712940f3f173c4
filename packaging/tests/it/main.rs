//! Documents and installed files say what the programs do.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests"
)]

mod commands;
mod configuration;
mod documents;
mod links;
mod manuals;
mod rest;
mod screenshots;
mod services;
mod threats;
mod troubleshooting;
