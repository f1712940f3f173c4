//! The portal in a real Chromium, through the whole story, against the real programs.

#![allow(clippy::expect_used, clippy::panic, reason = "tests")]

mod chromium;
mod portal;
mod story;
