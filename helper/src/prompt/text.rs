//! Text that is shown in windows and terminals.

pub use countersign_protocol::text::{capitalised, count, duration, grouped, printable};
