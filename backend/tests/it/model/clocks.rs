//! Clocks that a test moves.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use countersign_protocol::Timestamp;
use countersign_server::clock::Clock;

/// The clocks of the operating system, moved by some seconds.
#[derive(Default)]
pub struct Clocks {
    wall: Arc<AtomicI64>,
    monotonic: Arc<AtomicU64>,
}

impl Clocks {
    pub fn new() -> (Self, Clock) {
        let clocks = Self::default();
        let (wall, monotonic) = (clocks.wall.clone(), clocks.monotonic.clone());
        let clock = Clock::new(move || {
            let now = Timestamp::now().as_millisecond() + wall.load(Ordering::SeqCst) * 1000;
            Timestamp::from_millisecond(now).expect("a time")
        });
        let clock = clock.with_monotonic(move || {
            Instant::now() + Duration::from_secs(monotonic.load(Ordering::SeqCst))
        });
        (clocks, clock)
    }

    /// Moves the clocks. Whatever waits for a time must be woken afterwards.
    pub fn pass(&self, wall: i64, monotonic: u32) {
        self.wall.fetch_add(wall, Ordering::SeqCst);
        self.monotonic.fetch_add(monotonic.into(), Ordering::SeqCst);
    }
}
