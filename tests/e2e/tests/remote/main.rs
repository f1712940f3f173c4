//! HSMs that are attached from afar, by the real programs.

#![allow(clippy::expect_used, clippy::panic, reason = "tests")]

mod cable;
mod outage;
mod outages;
mod pool;
mod story;

fn say(text: &str) {
    println!("  {text}");
}
