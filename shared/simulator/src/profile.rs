//! How cards differ, and which card is played.

use serde::{Deserialize, Serialize};

/// Behaviours in which cards are known, or suspected, to differ.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Profile {
    /// GET CHALLENGE makes the card forget who has authenticated.
    pub challenge_resets: bool,
    /// A response consumes the challenge.
    pub challenge_single_use: bool,
    /// Status word of a wrong response: 6300 or 6985.
    pub wrong_response_sw: u16,
    /// The PIN's status tells of the quorum: 6300 before, 9000 after.
    pub pin_status_tells_quorum: bool,
    /// Status word of MANAGE PUBLIC KEY AUTHENTICATION where it is not set up: 6D00 or 6A86.
    pub no_pka_sw: u16,
    /// Registration verifies signatures and chain.
    pub checks_registration: bool,
    /// INITIALIZE checks the SO-PIN of the former initialisation.
    pub checks_so_pin: bool,
    /// INITIALIZE leaves the session logged in.
    pub open_after_initialize: bool,
}

impl Profile {
    /// A device of the vendor, as its own software uses it: a response consumes the challenge, the count stays.
    pub const VENDOR: Self = Self {
        challenge_resets: false,
        challenge_single_use: true,
        wrong_response_sw: 0x6300,
        pin_status_tells_quorum: true,
        no_pka_sw: 0x6D00,
        checks_registration: true,
        checks_so_pin: true,
        open_after_initialize: false,
    };

    /// An independent implementation of the card, as it was measured: one challenge for all, a new one forgets everybody.
    pub const PICO: Self = Self {
        challenge_resets: true,
        challenge_single_use: false,
        wrong_response_sw: 0x6985,
        pin_status_tells_quorum: false,
        no_pka_sw: 0x6A86,
        checks_registration: false,
        checks_so_pin: false,
        open_after_initialize: true,
    };

    /// The profile of this name: `vendor` or `pico`.
    pub fn by_name(name: &str) -> Option<Self> {
        match name {
            "vendor" => Some(Self::VENDOR),
            "pico" => Some(Self::PICO),
            _ => None,
        }
    }
}
