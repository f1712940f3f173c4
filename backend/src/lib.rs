//! The Countersign server: holds the connection to signing HSMs, and lets a remote quorum open them.
//!
//! A library, so that tests can start it in process; `main.rs` only calls [`cli::run`].

pub mod activation;
pub mod app;
pub mod cli;
mod code;
pub mod config;
pub mod events;
pub mod hsm;
pub mod http;
pub mod identity;
pub mod keys;
pub mod people;
pub mod remote;
pub mod session;
pub mod signing;
pub mod store;
pub mod tls;
pub mod token;
