//! Simulated latency, so that benchmarks measure the pace of a real card.

use std::time::Duration;

use countersign_card::apdu::Command;

/// Time that each kind of command takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Latency {
    /// Duration of SIGN and DECIPHER with an EC key.
    pub sign_ec: Duration,
    /// Duration of SIGN and DECIPHER with an RSA key.
    pub sign_rsa: Duration,
    /// Duration of GENERATE ASYMMETRIC KEY PAIR for an EC key.
    pub generate_ec: Duration,
    /// Duration of GENERATE ASYMMETRIC KEY PAIR for an RSA key.
    pub generate_rsa: Duration,
    /// Duration of every other command, and of a refusal.
    pub other: Duration,
}

impl Latency {
    /// No latency.
    pub const NONE: Self = Self {
        sign_ec: Duration::ZERO,
        sign_rsa: Duration::ZERO,
        generate_ec: Duration::ZERO,
        generate_rsa: Duration::ZERO,
        other: Duration::ZERO,
    };

    /// The latency of a Nitrokey HSM 2, from its vendor's figures for 256-bit EC and 2048-bit RSA.
    pub const REALISTIC: Self = Self {
        sign_ec: Duration::from_millis(170),
        sign_rsa: Duration::from_millis(600),
        generate_ec: Duration::from_secs(4),
        generate_rsa: Duration::from_secs(30),
        other: Duration::from_millis(20),
    };

    pub(crate) fn of(&self, command: &Command) -> Duration {
        match (command.ins, command.p2) {
            (0x68, 0x70..=0x7F) | (0x62, 0x80..) => self.sign_ec,
            (0x68 | 0x62, _) => self.sign_rsa,
            // The template for an RSA key is short, because it has no curve parameters.
            (0x46, _) if command.data.len() > 128 => self.generate_ec,
            (0x46, _) => self.generate_rsa,
            _ => self.other,
        }
    }
}
