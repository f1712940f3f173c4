//! Authentication of callers, which happens only here.

mod authenticate;
mod caller;
mod caller_cache;
mod credential;
mod live_caller;
mod session_store;

pub use authenticate::{Authenticator, begin_session, not_authenticated};
pub use caller::Caller;
pub use credential::{Credential, session_cookie};
pub use live_caller::LiveCaller;
pub use session_store::{LONGEST, SessionStore};
