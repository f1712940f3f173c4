//! The client of RAMOverHTTP: attaches a card of this computer to a remote server, which sends commands to it.
//!
//! The server is not trusted. Its requests alone never make a PIN leave this computer, and the card is reset when the
//! session ends.

mod address;
mod attach;
mod choice;
mod cookie;
mod exchange;
mod filter;
mod pause;
mod report;
mod session;
mod single;

pub use address::{Address, InvalidAddress};
pub use attach::{AttachError, Attachment, attach};
pub use cookie::{InvalidCookie, SessionCookies};
pub use filter::{PinCommand, PinCommands};
pub use report::{Report, Terminal};
pub use session::Stop;
pub use single::attach_once;
