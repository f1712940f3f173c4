//! The custodian's helper: cards, PIN entry, consent, and the loopback WebSocket that a portal connects to.
//!
//! A page can only request. Only the user can consent, in a window of the helper. Only the signing module of [`cards`]
//! can make a card sign, and it signs only what a [`consent`] covers.

mod advice;
mod answered_tasks;
pub mod cards;
pub mod cli;
pub mod consent;
pub mod conversation;
pub mod error_text;
pub mod export;
pub mod helper;
pub mod loopback;
pub mod origin;
pub mod origin_policy;
mod private_file;
pub mod prompt;
pub mod remote;
pub mod task;
mod task_limits;
pub mod trigger;
