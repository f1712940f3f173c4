//! The portal in a real Chromium, against the real programs.

#![allow(clippy::expect_used, clippy::panic, reason = "tests")]

mod aborted;
mod chromium;
mod pool;
mod portal;
mod story;
