//! Limits how fast a page can send messages.

use std::time::{Duration, Instant};

/// The number of messages that are handled without delay.
const BURST: u32 = 30;
/// The interval of further messages.
const INTERVAL: Duration = Duration::from_millis(100);

/// Slows a sender down by reading more slowly. No message is dropped.
pub(super) struct Rate {
    /// When the full burst is available again.
    full_at: Instant,
}

impl Rate {
    pub(super) fn new() -> Self {
        Self {
            full_at: Instant::now(),
        }
    }

    /// Counts one message, and returns how long to wait before it is handled.
    pub(super) fn take(&mut self, now: Instant) -> Duration {
        self.full_at = self.full_at.max(now) + INTERVAL;
        (self.full_at - now).saturating_sub(INTERVAL * BURST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_after_a_burst_are_delayed() {
        let now = Instant::now();
        let mut rate = Rate { full_at: now };
        for _ in 0..BURST {
            assert_eq!(rate.take(now), Duration::ZERO);
        }
        assert_eq!(rate.take(now), INTERVAL);
        assert_eq!(rate.take(now + Duration::from_secs(60)), Duration::ZERO);
    }
}
