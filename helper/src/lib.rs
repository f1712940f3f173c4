//! The custodian's helper: cards, PIN entry, consent, and the loopback WebSocket that a portal talks to.
//!
//! A page can ask; only the user, in a window of the helper, can agree; and only [`cards`]' signing module can make a
//! card sign, and only what [`consent`] holds.

mod advice;
pub mod cards;
pub mod cli;
pub mod consent;
pub mod conversation;
pub mod export;
pub mod helper;
pub mod loopback;
pub mod origin;
mod private_file;
pub mod prompt;
pub mod remote;
pub mod task;
pub mod told;
pub mod trigger;
