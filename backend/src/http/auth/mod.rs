//! Authentication of callers, which happens only here.

mod authenticate;
mod browser;
mod caller;
mod caller_cache;
mod cookie;
mod credential;
mod live_caller;
mod log_in;

pub use authenticate::{Authenticator, not_authenticated};
pub use caller::Caller;
pub use cookie::session_cookie;
pub use credential::Credential;
pub use live_caller::LiveCaller;
pub use log_in::Arriving;
