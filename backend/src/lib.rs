//! The Countersign server: the HTTP and TLS adapters in front of the domain, and the command line.
//!
//! It is a library so that tests can start a server in process; `main.rs` only calls [`cli::run`].

pub mod cli;
pub mod http;
pub mod server;
pub mod tls;

// Re-exported so that the modules of both crates are reached under one path.
pub use countersign_domain::{
    activation, acts, clock, config, devices, events, faults, hsm, identity, keys, mandate,
    network, people, refusals, remote, signing, store, throttle, tokens, views,
};
