//! Polling with a time limit.

use std::time::{Duration, Instant};

use anyhow::bail;

const TIME_LIMIT: Duration = Duration::from_secs(60);
const INTERVAL: Duration = Duration::from_millis(50);

/// Polls `look` until it returns a value.
///
/// # Errors
/// `look` failed, or returned nothing for 60 s.
pub fn wait_for<T>(mut look: impl FnMut() -> anyhow::Result<Option<T>>) -> anyhow::Result<T> {
    let start = Instant::now();
    while start.elapsed() < TIME_LIMIT {
        if let Some(found) = look()? {
            return Ok(found);
        }
        std::thread::sleep(INTERVAL);
    }
    bail!("nothing happened within {} s", TIME_LIMIT.as_secs())
}
