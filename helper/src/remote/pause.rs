//! How long to wait before the next attempt.

use std::time::{Duration, Instant};

const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(60);
/// A session of this length counts as a success, which resets the pause.
const SUCCESS: Duration = Duration::from_secs(30);

/// A pause that doubles with every consecutive failure.
pub struct Pause(Duration);

impl Pause {
    pub fn new() -> Self {
        Self(FIRST)
    }

    /// The pause after an attempt that began at this time. It is randomised, so that the clients of a restarted server do not
    /// all connect at the same time.
    pub fn after(&mut self, began: Instant) -> Duration {
        if began.elapsed() >= SUCCESS {
            self.0 = FIRST;
        }
        let pause = self.0;
        self.0 = (self.0 * 2).min(LONGEST);
        let mut random = [0];
        // The randomness is optional, so a failing generator is ignored.
        let _ = getrandom::fill(&mut random);
        pause.mul_f64(0.5 + f64::from(random[0]) / 512.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_limit_and_are_reset_by_a_long_session() {
        let mut pause = Pause::new();
        let now = Instant::now();
        let pauses: Vec<_> = (0..10).map(|_| pause.after(now)).collect();
        assert!(pauses[0] <= FIRST);
        assert!(pauses[9] > Duration::from_secs(29) && pauses[9] <= LONGEST);
        if let Some(long_ago) = now.checked_sub(SUCCESS) {
            assert!(pause.after(long_ago) <= FIRST);
        }
    }
}
