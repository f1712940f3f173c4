//! The server in process, on simulated cards.

#![allow(clippy::expect_used, clippy::panic, reason = "tests")]

mod abandoned;
mod cloud;
mod enrolment;
mod faults;
mod http;
mod keys;
mod labels;
mod leases;
mod listening;
mod lock_proofs;
mod logged;
mod losses;
mod notices;
mod pki;
mod player;
mod pools;
mod problems;
mod ram_client;
mod remote;
mod revoked_custodians;
mod sessions;
mod signing;
mod story;
mod tampering;
mod tls;
mod waiting;
mod world;
