//! Drops responses that a newer request has superseded.

use leptos::prelude::*;

/// Numbers the requests of one kind.
#[derive(Clone, Copy)]
pub struct LatestOnly(StoredValue<u32>);

impl LatestOnly {
    pub fn new() -> Self {
        Self(StoredValue::new(0))
    }

    /// Number of a new request.
    pub fn next(self) -> u32 {
        self.0.update_value(|number| *number += 1);
        self.0.get_value()
    }

    /// Whether this is the newest request and the page that sent it still exists.
    pub fn is_latest(self, number: u32) -> bool {
        self.0.try_get_value() == Some(number)
    }
}
