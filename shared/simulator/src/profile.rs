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
    /// The quorum opens the commands, but the keys need the user PIN besides (6400 without).
    #[serde(default)]
    pub pin_needed_with_quorum: bool,
    /// Registration needs the user PIN or the SO-PIN.
    #[serde(default)]
    pub registration_needs_login: bool,
    /// Key requests carry the name of the device, whatever name was asked for.
    #[serde(default)]
    pub requests_name_device: bool,
    /// RESET RETRY COUNTER logs the user PIN in.
    #[serde(default)]
    pub reset_logs_in: bool,
    /// There is a key domain without a key where none was asked for.
    #[serde(default)]
    pub default_key_domain: bool,
    /// ECDH gives the x coordinate, padded to a point, in place of the point.
    #[serde(default)]
    pub ecdh_only_x: bool,
    /// SELECT tells of an independent implementation of the application, in its own form.
    #[serde(default)]
    pub independent: bool,
    /// Protected commands are understood, and SELECT without an answer (P2 = 0C).
    #[serde(default = "yes")]
    pub secure_messaging: bool,
    /// Status word of SIGN with an algorithm that does not fit the kind of the key, while the card is open: 6A81 or 6400.
    #[serde(default = "not_supported")]
    pub wrong_key_type_sw: u16,
    /// SIGN checks whether the algorithm fits the kind of the key before it checks the authentication (6A81 while locked).
    #[serde(default)]
    pub checks_key_type_first: bool,
    /// The card answers a repeated SELECT of the application but keeps its session, as if the SELECT were lost on its way.
    #[serde(default)]
    pub swallows_logout: bool,
}

const fn yes() -> bool {
    true
}

const fn not_supported() -> u16 {
    0x6A81
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
        pin_needed_with_quorum: false,
        registration_needs_login: false,
        requests_name_device: false,
        reset_logs_in: false,
        default_key_domain: false,
        ecdh_only_x: false,
        independent: false,
        secure_messaging: true,
        wrong_key_type_sw: 0x6A81,
        checks_key_type_first: false,
        swallows_logout: false,
    };

    /// The other possibility for a device of the vendor: a challenge serves until the next one.
    pub const VENDOR_KEPT: Self = Self {
        challenge_single_use: false,
        ..Self::VENDOR
    };

    /// The challenges of an independent implementation of the card: one for all, a new one forgets everybody. Its quorum
    /// needs no PIN, unlike [`Self::PICO_MEASURED`].
    pub const PICO: Self = Self {
        challenge_resets: true,
        challenge_single_use: false,
        wrong_response_sw: 0x6985,
        pin_status_tells_quorum: false,
        no_pka_sw: 0x6A86,
        checks_registration: false,
        checks_so_pin: false,
        open_after_initialize: true,
        pin_needed_with_quorum: false,
        registration_needs_login: false,
        requests_name_device: false,
        reset_logs_in: true,
        default_key_domain: true,
        ecdh_only_x: true,
        independent: false,
        secure_messaging: true,
        wrong_key_type_sw: 0x6A81,
        checks_key_type_first: false,
        swallows_logout: false,
    };

    /// That implementation with everything in which it was seen to differ.
    pub const PICO_MEASURED: Self = Self {
        pin_needed_with_quorum: true,
        registration_needs_login: true,
        requests_name_device: true,
        independent: true,
        secure_messaging: false,
        wrong_key_type_sw: 0x6400,
        ..Self::PICO
    };

    /// The profile of this name: `vendor`, `vendor-kept`, `pico` or `pico-measured`.
    pub fn by_name(name: &str) -> Option<Self> {
        match name {
            "vendor" => Some(Self::VENDOR),
            "vendor-kept" => Some(Self::VENDOR_KEPT),
            "pico" => Some(Self::PICO),
            "pico-measured" => Some(Self::PICO_MEASURED),
            _ => None,
        }
    }
}
