//! The local trigger of CardContact's web client. A page loads an image from this computer, and thereby requests that a
//! card is attached to a server. The image shows the result.
//!
//! Any page can request this, so nothing happens before the user allows this page and this server together. The helper
//! neither asks for a PIN nor forwards one, because a card that a server controls must not be unlocked.

mod origin;
mod request;
mod response;
mod serve;
mod session;

pub use serve::{WebClient, serve};
