//! How fast a page may send messages.

use std::time::{Duration, Instant};

/// Messages that may come at once.
const BURST: u32 = 30;
/// Afterwards one message each so often.
const EVERY: Duration = Duration::from_millis(100);

/// Slows a sender down by reading more slowly; nothing is dropped.
pub(super) struct Rate {
    /// When the bucket will be full again.
    full_at: Instant,
}

impl Rate {
    /// A full bucket.
    pub(super) fn new() -> Self {
        Self {
            full_at: Instant::now(),
        }
    }

    /// Takes one message; how long to wait before it is handled.
    pub(super) fn take(&mut self, now: Instant) -> Duration {
        self.full_at = self.full_at.max(now) + EVERY;
        (self.full_at - now).saturating_sub(EVERY * BURST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_then_it_trickles() {
        let now = Instant::now();
        let mut rate = Rate { full_at: now };
        for _ in 0..BURST {
            assert_eq!(rate.take(now), Duration::ZERO);
        }
        assert_eq!(rate.take(now), EVERY);
        assert_eq!(rate.take(now + Duration::from_secs(60)), Duration::ZERO);
    }
}
