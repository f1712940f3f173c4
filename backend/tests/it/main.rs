//! Tests that start the server in their own process, with simulated cards.

#![allow(clippy::expect_used, clippy::panic, reason = "tests")]

mod abandoned;
mod bodies;
mod bounds;
mod cloud;
mod connections;
mod enrolment;
mod events;
mod faults;
mod floods;
mod http;
mod keys;
mod labels;
mod largest_manifest;
mod late_notices;
mod leases;
mod lists;
mod lock_proofs;
mod logging;
mod long_polls;
mod losses;
mod main_flow;
mod model;
mod old_database;
mod openapi;
mod person;
mod pki;
mod pools;
mod problems;
mod queue;
mod ram_client;
mod receipts;
mod refusals;
mod remote;
mod restored;
mod revoked_custodians;
mod role_matrix;
mod sessions;
mod signing;
mod small_requests;
mod statements;
mod tampering;
mod test_server;
mod tls;
mod two_servers;
