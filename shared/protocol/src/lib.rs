//! Wire types of Countersign.
//!
//! Every message that crosses a process boundary is defined here once: REST bodies, live events, the messages
//! between portal and helper, and the signed statements. Server, portal, helper, command line and PKCS#11 module
//! all depend on this crate and on nothing of each other. It compiles to WebAssembly and knows no HTTP framework.

#![warn(missing_docs)]

pub mod about;
pub mod activation;
pub mod audit;
pub mod digest;
pub mod dsse;
pub mod encoding;
pub mod event;
pub mod file_digest;
pub mod helper;
pub mod hsm;
pub mod id;
pub mod lease;
pub mod limits;
pub mod loopback;
pub mod manifest;
pub mod mechanism;
pub mod operator;
pub mod problem;
pub mod purpose;
pub mod receipt;
pub mod remote;
pub mod session;
pub mod signature;
pub mod statement;
pub mod task;
pub mod text;
pub mod token;

pub use countersign_cvc as cvc;
pub use jiff::Timestamp;
