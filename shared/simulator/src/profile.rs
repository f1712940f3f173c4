//! Profiles, which describe the behaviour of different cards.

use serde::{Deserialize, Serialize};

/// Behaviours in which cards are known or suspected to differ.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Profile {
    /// GET CHALLENGE discards the authentications so far.
    pub challenge_resets: bool,
    /// A challenge accepts only one response.
    pub challenge_single_use: bool,
    /// Status word for a wrong response, 6300 or 6985.
    pub wrong_response_sw: u16,
    /// The status of the PIN shows the state of the quorum: 6300 before it has authenticated, 9000 afterwards.
    pub pin_status_tells_quorum: bool,
    /// Status word of MANAGE PUBLIC KEY AUTHENTICATION if it is not set up, 6D00 or 6A86.
    pub no_pka_sw: u16,
    /// The registration of a key verifies its signatures and chain.
    pub checks_registration: bool,
    /// INITIALIZE DEVICE checks the SO-PIN of the previous initialisation.
    pub checks_so_pin: bool,
    /// The session remains logged in after INITIALIZE DEVICE.
    pub open_after_initialize: bool,
    /// Keys require the user PIN in addition to the quorum; without it they return 6400.
    #[serde(default)]
    pub pin_needed_with_quorum: bool,
    /// The registration of a key requires the user PIN or the SO-PIN.
    #[serde(default)]
    pub registration_needs_login: bool,
    /// Key requests contain the name of the device instead of the requested name.
    #[serde(default)]
    pub requests_name_device: bool,
    /// RESET RETRY COUNTER also logs in.
    #[serde(default)]
    pub reset_logs_in: bool,
    /// The card has a key domain without a DKEK if the initialisation requests none.
    #[serde(default)]
    pub default_key_domain: bool,
    /// ECDH returns the x coordinate, padded to the length of a point, instead of the point.
    #[serde(default)]
    pub ecdh_only_x: bool,
    /// SELECT returns the file control information of an independent implementation.
    #[serde(default)]
    pub independent: bool,
    /// The card supports secure messaging, and SELECT without response data (P2 = 0C).
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
    /// A device of the vendor, as the vendor's software expects it: a challenge accepts one response, and a new challenge
    /// keeps the authentications.
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

    /// The alternative behaviour of a device of the vendor: a challenge accepts several responses.
    pub const VENDOR_KEPT: Self = Self {
        challenge_single_use: false,
        ..Self::VENDOR
    };

    /// An independent implementation of the card: a challenge accepts several responses, and a new challenge discards the
    /// authentications. Unlike with [`Self::PICO_MEASURED`], the quorum does not require the PIN.
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

    /// The independent implementation with all differences that were measured.
    pub const PICO_MEASURED: Self = Self {
        pin_needed_with_quorum: true,
        registration_needs_login: true,
        requests_name_device: true,
        independent: true,
        secure_messaging: false,
        wrong_key_type_sw: 0x6400,
        ..Self::PICO
    };

    /// Finds a profile by its name: `vendor`, `vendor-kept`, `pico` or `pico-measured`.
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
