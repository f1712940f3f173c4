//! Tests of certificates, chains and attestations with test vectors, forgeries and damaged data.

#![allow(clippy::expect_used, clippy::panic, reason = "tests")]

mod anchors;
mod forged;
mod keys;
mod pico;
mod pki;
mod robust;
mod rsa_keys;
mod vectors;
