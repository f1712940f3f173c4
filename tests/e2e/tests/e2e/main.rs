//! Tests that run the real programs together.
//!
//! Every test has its own folder, ports and processes, so that tests can run at the same time. The exception is [`pcsc`],
//! which needs the machine's only PC/SC service.

#![allow(clippy::expect_used, clippy::panic, reason = "tests")]

mod browser;
mod cloud;
mod crash;
mod documents;
mod main_job;
mod opensc;
mod pcsc;
mod pkcs11;
mod remote;
mod schemathesis;
mod secrets;

fn say(text: &str) {
    println!("  {text}");
}
