//! RAMOverHTTP, the client's side: a card of this computer is attached to a server elsewhere, which tells what to do with it.
//!
//! The server is not trusted: no PIN travels because it asked for one, and whatever it did to the card ends with the session.

mod address;
mod attach;
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
pub use filter::PinCommands;
pub use report::{Report, Terminal};
pub use session::Stop;
pub use single::attach_once;
