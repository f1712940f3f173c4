//! What a card forgets at SELECT, reset or loss of power.

use std::collections::BTreeSet;

use countersign_card::secure_messaging::Channel;

use crate::known_key::KnownKey;

/// State between two selections.
#[derive(Default)]
pub struct Session {
    /// The application is selected.
    pub selected: bool,
    /// User PIN verified.
    pub user: bool,
    /// SO-PIN verified.
    pub security_officer: bool,
    /// Everything is allowed: right after an initialisation, on some cards.
    pub initialising: bool,
    /// Slots that have authenticated.
    pub authenticated: BTreeSet<usize>,
    /// The quorum was met; on some cards this outlives the count.
    pub granted: bool,
    /// Challenge that waits for responses.
    pub challenge: Option<Vec<u8>>,
    /// Key that verifies certificates.
    pub certificate_key: Option<KnownKey>,
    /// Slot whose key authenticates.
    pub authentication_slot: Option<usize>,
    /// Certificates that were verified.
    pub verified: Vec<KnownKey>,
    /// File that commands without a file identifier mean.
    pub current_file: Option<u16>,
    /// Long command data.
    pub transfer_buffer: Vec<u8>,
    /// Chip authentication was chosen.
    pub chip_authentication: bool,
    /// Secure channel.
    pub channel: Option<Channel>,
}
