//! The clocks that end a lease.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use countersign_protocol::Timestamp;
use jiff::SignedDuration;
use tokio::sync::watch;

/// The wall clock and the monotonic clock. Tests use clocks that they can move. Clones are the same clocks.
#[derive(Clone)]
pub struct Clock {
    wall: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    monotonic: Arc<dyn Fn() -> Instant + Send + Sync>,
    moved: watch::Sender<()>,
}

impl Clock {
    /// This wall clock, with the monotonic clock of the operating system.
    pub fn new(wall: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self {
            wall: Arc::new(wall),
            monotonic: Arc::new(Instant::now),
            moved: watch::Sender::default(),
        }
    }

    /// The same wall clock with another monotonic clock.
    #[must_use]
    pub fn with_monotonic(self, monotonic: impl Fn() -> Instant + Send + Sync + 'static) -> Self {
        Self {
            monotonic: Arc::new(monotonic),
            ..self
        }
    }

    /// The clocks of the operating system.
    pub fn system() -> Self {
        Self::new(Timestamp::now)
    }

    pub fn now(&self) -> Timestamp {
        (self.wall)()
    }

    fn monotonic(&self) -> Instant {
        (self.monotonic)()
    }

    /// Wakes everything that waits for a time, because a clock was moved. Otherwise it is noticed within half a minute.
    pub fn has_moved(&self) {
        self.moved.send_replace(());
    }

    /// Reports each [`Self::has_moved`].
    pub fn moves(&self) -> watch::Receiver<()> {
        self.moved.subscribe()
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
            monotonic: clock.monotonic() + Duration::from_secs(seconds.into()),
            wall: clock.now() + SignedDuration::from_secs(seconds.into()),
            clock: clock.clone(),
        }
    }

    pub fn has_come(&self) -> bool {
        self.monotonic <= self.clock.monotonic() || self.wall <= self.clock.now()
    }

    /// The time until the monotonic clock reaches it. The wall clock may reach it sooner.
    pub fn left(&self) -> Duration {
        self.monotonic
            .saturating_duration_since(self.clock.monotonic())
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
