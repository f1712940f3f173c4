//! Fuzz targets: each feeds bytes from outside to one part of the programs and checks what must hold for any bytes.
//!
//! A target panics if a property does not hold. `cargo xtask fuzz` searches with coverage; [`runner`] runs seeds, the findings in
//! `corpus/` and their mutations with stable Rust.
//!
//! Targets use `expect` for what they build themselves, because a panic is how they report a finding.
#![allow(clippy::expect_used, reason = "a fuzz target reports by a panic")]

mod cards;
pub mod runner;
mod sealed;
pub mod targets;

/// One fuzz target.
#[derive(Clone, Copy)]
pub struct Target {
    /// Name on the command line, and of the folder in `corpus/`.
    pub name: &'static str,
    /// Feeds the bytes to the target. Panics if a property does not hold.
    pub run: fn(&[u8]),
    /// Valid inputs, from which mutations start.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// Number of mutations in a short run, which takes some seconds.
    pub short: u64,
}

macro_rules! targets {
    ($($name:ident: $short:literal),* $(,)?) => {
        /// Every target.
        pub const TARGETS: &[Target] = &[$(Target {
            name: stringify!($name),
            run: targets::$name::run,
            seeds: targets::$name::seeds,
            short: $short,
        }),*];
    };
}

targets![
    apdu: 100_000,
    approval: 5_000,
    config: 5_000,
    cvc: 2_000,
    driver: 100,
    helper: 400,
    pkcs11: 800,
    ram: 200_000,
    rest: 100_000,
    secure_messaging: 500,
    tlv: 200_000,
];
