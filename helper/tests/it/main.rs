//! Tests of the helper through real sockets, with a scripted user and simulated cards.

#![cfg(feature = "simulator")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

mod acts;
mod approvals;
mod connections;
mod exports;
mod listing;
mod pinentry;
mod pools;
mod proxy;
mod remote;
mod remote_server;
mod sequences;
mod support;
mod tasks;
mod trigger;
mod trigger_program;
