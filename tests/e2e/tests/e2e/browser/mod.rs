//! The portal in a real Chromium, against the real programs.

mod aborted;
mod acts;
mod chromium;
mod foreign;
mod pool;
mod portal;
mod sessions;
mod story;
