//! Wire types of Countersign.
//!
//! This crate defines every message that crosses a process boundary: REST bodies, live events, the messages between
//! portal and helper, and the signed statements. Server, portal, helper, command line and PKCS#11 module all use it, so
//! that they agree on the messages, on the [`limits`] of their values, and on how [`text`] is checked and displayed. It
//! compiles to WebAssembly and does not depend on an HTTP framework.

#![warn(missing_docs)]

pub mod about;
pub mod act;
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
pub mod words;

pub use countersign_cvc as cvc;
pub use jiff::Timestamp;
