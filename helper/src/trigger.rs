//! The local trigger of CardContact's web client: a page loads an image from this computer, and by that asks that a card be attached
//! to a server. The image tells how it went.
//!
//! Any page can ask; nothing happens before the user has agreed to this page and this server together. No PIN is taken for it,
//! and none is passed on: a card that somebody else commands must not be unlocked.

mod answer;
mod asked;
mod request;
mod serve;
mod session;

pub use serve::{WebClient, serve};
