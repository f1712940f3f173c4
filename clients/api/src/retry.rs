//! Retries after a broken connection.

use std::time::Duration;

use crate::error::ClientError;

/// How often and how fast idempotent requests are retried.
#[derive(Clone, Copy, Debug)]
pub struct Retry {
    /// Number of attempts including the first one, at least 1.
    pub attempts: u32,
    /// Pause before the second attempt; it doubles before each further one.
    pub pause: Duration,
}

impl Default for Retry {
    /// Five attempts within about four seconds, which is enough for the restart of a proxy.
    fn default() -> Self {
        Self {
            attempts: 5,
            pause: Duration::from_millis(250),
        }
    }
}

impl Retry {
    /// Repeats `call` while it fails with an error that `is_retryable`, which also gets the number of the attempt.
    pub(crate) fn run<T>(
        self,
        is_retryable: impl Fn(&ClientError, u32) -> bool,
        mut call: impl FnMut() -> Result<T, ClientError>,
    ) -> Result<T, ClientError> {
        let mut attempt = 1;
        let mut pause = self.pause;
        loop {
            match call() {
                Err(error) if attempt < self.attempts && is_retryable(&error, attempt) => {
                    std::thread::sleep(pause);
                    pause = pause.saturating_mul(2);
                    attempt += 1;
                }
                result => return result,
            }
        }
    }
}
