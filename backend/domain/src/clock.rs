//! The clocks that end a lease.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use countersign_protocol::Timestamp;
use jiff::SignedDuration;

/// The wall clock. Tests use one that they can move.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> Timestamp + Send + Sync>);

impl Clock {
    pub fn new(now: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    /// The clock of the operating system.
    pub fn system() -> Self {
        Self::new(Timestamp::now)
    }

    pub fn now(&self) -> Timestamp {
        (self.0)()
    }
}

/// A time that has come as soon as one of the two clocks says so. The monotonic clock stands still while the machine is
/// suspended, and the wall clock can be set back.
#[derive(Clone)]
pub struct Deadline {
    clock: Clock,
    monotonic: Instant,
    wall: Timestamp,
}

impl Deadline {
    pub fn after(clock: &Clock, seconds: u32) -> Self {
        Self {
            monotonic: Instant::now() + Duration::from_secs(seconds.into()),
            wall: clock.now() + SignedDuration::from_secs(seconds.into()),
            clock: clock.clone(),
        }
    }

    pub fn has_come(&self) -> bool {
        self.monotonic <= Instant::now() || self.wall <= self.clock.now()
    }

    /// The time until the monotonic clock reaches it. The wall clock may reach it sooner.
    pub fn left(&self) -> Duration {
        self.monotonic.saturating_duration_since(Instant::now())
    }

    /// The time by the wall clock, for people.
    pub fn wall(&self) -> Timestamp {
        self.wall
    }
}

impl fmt::Debug for Deadline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deadline")
            .field("wall", &self.wall)
            .finish_non_exhaustive()
    }
}
