//! State of a card that ends with SELECT, a reset or a loss of power.

use std::collections::BTreeSet;

use countersign_card::secure_messaging::Channel;

use crate::known_key::KnownKey;

/// State between two selections of the application.
#[derive(Default)]
pub struct Session {
    /// The application is selected.
    pub selected: bool,
    /// The user PIN is verified.
    pub user: bool,
    /// The SO-PIN is verified.
    pub security_officer: bool,
    /// All commands are allowed, as on some cards directly after an initialisation.
    pub initialising: bool,
    /// Slots whose keys have authenticated.
    pub authenticated: BTreeSet<usize>,
    /// The quorum has authenticated. On some cards this outlives the count.
    pub granted: bool,
    /// Challenge that can be answered.
    pub challenge: Option<Vec<u8>>,
    /// Selected key that verifies certificates.
    pub certificate_key: Option<KnownKey>,
    /// Selected slot whose key authenticates.
    pub authentication_slot: Option<usize>,
    /// Keys of the certificates that were verified.
    pub verified: Vec<KnownKey>,
    /// File of commands without a file identifier.
    pub current_file: Option<u16>,
    /// Command data that is too long for one APDU.
    pub transfer_buffer: Vec<u8>,
    /// Chip authentication was selected.
    pub chip_authentication: bool,
    pub channel: Option<Channel>,
}
