//! What tests of several programs together share.

#![allow(clippy::expect_used, clippy::panic, reason = "tests")]

pub mod crash;
