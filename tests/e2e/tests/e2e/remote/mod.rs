//! Remote HSMs, which the real programs attach.

mod cable;
mod outage;
mod outages;
mod pool;
mod story;
