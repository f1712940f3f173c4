//! Questions of one kind, of which only the answer to the last one counts.

use leptos::prelude::*;

/// Counts them.
#[derive(Clone, Copy)]
pub struct Turns(StoredValue<u32>);

impl Turns {
    /// None yet.
    pub fn new() -> Self {
        Self(StoredValue::new(0))
    }

    /// One more.
    pub fn next(self) -> u32 {
        self.0.update_value(|turn| *turn += 1);
        self.0.get_value()
    }

    /// Whether none has come after this one, and somebody still waits.
    pub fn is_last(self, turn: u32) -> bool {
        self.0.try_get_value() == Some(turn)
    }
}
