//! The Countersign server: holds the connection to signing HSMs, and lets a remote quorum open them.
//!
//! A library, so that tests can start it in process; `main.rs` only calls [`cli::run`].

pub mod activation;
pub mod cli;
pub mod config;
pub mod devices;
pub mod events;
pub mod hsm;
pub mod http;
pub mod identity;
pub mod keys;
pub mod people;
mod random;
pub mod remote;
pub mod server;
pub mod signing;
pub mod store;
pub mod tls;
pub mod tokens;
pub mod views;
