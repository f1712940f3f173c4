//! Limits how often something may happen for each network or account.

use std::{hash::Hash, num::NonZeroU32, time::Duration};

use governor::{
    Quota, RateLimiter,
    clock::{Clock, DefaultClock},
    state::keyed::HashMapStateStore,
};

/// Largest number of keys that are told apart. Beyond that, all keys share one limit, so that a stranger with many addresses cannot
/// use up the memory. A key is forgotten as soon as its limit has no effect.
const MOST_KEYS: usize = 20_000;

/// Allows a number of events at once for each key, and then one more in each period.
pub struct Throttle<K: Hash + Eq + Clone> {
    /// The key `None` stands for all that are not told apart.
    limiter: RateLimiter<Option<K>, HashMapStateStore<Option<K>>, DefaultClock>,
}

impl<K: Hash + Eq + Clone> Throttle<K> {
    /// Allows `at_once` events, and then one per `period`.
    pub fn new(at_once: NonZeroU32, period: Duration) -> Self {
        let quota = Quota::with_period(period).unwrap_or(Quota::per_second(NonZeroU32::MIN));
        Self {
            limiter: RateLimiter::hashmap(quota.allow_burst(at_once)),
        }
    }

    /// Counts an event.
    ///
    /// # Errors
    /// There were too many; the next one is allowed after this time.
    pub fn check(&self, key: K) -> Result<(), Duration> {
        if self.limiter.len() >= MOST_KEYS {
            self.limiter.retain_recent();
        }
        let key = Some(key).filter(|_| self.limiter.len() < MOST_KEYS);
        self.limiter
            .check_key(&key)
            .map_err(|not_until| not_until.wait_time_from(DefaultClock::default().now()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_key_has_its_own_limit_until_there_are_too_many_keys() {
        let two = NonZeroU32::new(2).expect("a number");
        let throttle = Throttle::new(two, Duration::from_secs(3600));
        for key in 0..2 {
            assert!(throttle.check(key).is_ok() && throttle.check(key).is_ok());
            let wait = throttle.check(key).expect_err("too many");
            assert!(wait > Duration::from_secs(3000), "{wait:?}");
        }
        let new = 2..21_000_u32;
        let allowed = new.filter(|key| throttle.check(*key).is_ok()).count();
        assert!(allowed <= MOST_KEYS, "{allowed}");
        assert!(throttle.limiter.len() <= MOST_KEYS + 1);
    }
}
