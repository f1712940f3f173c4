//! Trying again after a broken connection.

use std::time::Duration;

use crate::error::ClientError;

/// How often, and how fast, a request that may be repeated safely is repeated.
#[derive(Clone, Copy, Debug)]
pub struct Retry {
    /// Attempts in all, at least 1.
    pub attempts: u32,
    /// Pause before the second attempt; doubles each time.
    pub pause: Duration,
}

impl Default for Retry {
    /// Five attempts within about four seconds: a restart of a proxy, not of a data centre.
    fn default() -> Self {
        Self {
            attempts: 5,
            pause: Duration::from_millis(250),
        }
    }
}

impl Retry {
    /// Runs `call` until it gives something other than what `again` wants to see repeated.
    pub(crate) fn run<T>(
        self,
        again: impl Fn(&ClientError, u32) -> bool,
        mut call: impl FnMut() -> Result<T, ClientError>,
    ) -> Result<T, ClientError> {
        let mut attempt = 1;
        let mut pause = self.pause;
        loop {
            match call() {
                Err(error) if attempt < self.attempts && again(&error, attempt) => {
                    std::thread::sleep(pause);
                    pause = pause.saturating_mul(2);
                    attempt += 1;
                }
                result => return result,
            }
        }
    }
}
