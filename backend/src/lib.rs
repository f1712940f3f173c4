//! The Countersign server: the ways in which the domain is reached (HTTP, TLS), and the program.
//!
//! A library, so that tests can start it in process; `main.rs` only calls [`cli::run`].

pub mod cli;
pub mod http;
pub mod server;
pub mod tls;

// One path for everything, whichever of the two crates holds it.
pub use countersign_domain::{
    activation, config, devices, events, hsm, identity, keys, people, remote, signing, store,
    tokens, views,
};
