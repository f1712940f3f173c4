//! How long to wait before the next try.

use std::time::{Duration, Instant};

const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(60);
/// A session of this length was a good one.
const GOOD: Duration = Duration::from_secs(30);

/// Grows with every failure in a row.
pub struct Pause(Duration);

impl Pause {
    pub fn new() -> Self {
        Self(FIRST)
    }

    /// The next pause, after a try that began then. Never the same for many clients of a server that restarts.
    pub fn after(&mut self, began: Instant) -> Duration {
        if began.elapsed() >= GOOD {
            self.0 = FIRST;
        }
        let pause = self.0;
        self.0 = (self.0 * 2).min(LONGEST);
        let mut random = [0];
        // Without random numbers all clients come at the same time, which is no reason to stay away.
        let _ = getrandom::fill(&mut random);
        pause.mul_f64(0.5 + f64::from(random[0]) / 512.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_limit_and_begin_anew_after_a_good_session() {
        let mut pause = Pause::new();
        let now = Instant::now();
        let pauses: Vec<_> = (0..10).map(|_| pause.after(now)).collect();
        assert!(pauses[0] <= FIRST);
        assert!(pauses[9] > Duration::from_secs(29) && pauses[9] <= LONGEST);
        if let Some(long_ago) = now.checked_sub(GOOD) {
            assert!(pause.after(long_ago) <= FIRST);
        }
    }
}
