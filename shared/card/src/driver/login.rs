//! PIN commands.

use super::SmartCardHsm;
use crate::{
    apdu::{Command, Le, StatusWord},
    error::CardError,
    pin::{Pin, SoPin},
};

/// Which PIN.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PinKind {
    /// The user's.
    User,
    /// The security officer's.
    SecurityOfficer,
}

impl PinKind {
    const fn reference(self) -> u8 {
        match self {
            Self::User => 0x81,
            Self::SecurityOfficer => 0x88,
        }
    }
}

/// State of a PIN, as the card tells it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PinStatus {
    /// Logged in. On a card with public key authentication it may mean the quorum.
    Verified,
    /// Not logged in.
    NotVerified {
        /// Tries left.
        tries: u8,
    },
    /// No tries left.
    Blocked,
    /// The initial PIN must be changed first.
    Transport,
    /// No such PIN on the card.
    NotSet,
    /// Public key authentication is active and not complete.
    PkaActive,
}

impl SmartCardHsm {
    /// Asks for a PIN's state; changes nothing.
    ///
    /// # Errors
    /// The card's.
    pub fn pin_status(&mut self, kind: PinKind) -> Result<PinStatus, CardError> {
        let mut command = Command::new(0x00, 0x20, 0x00, kind.reference());
        if self.has_secure_channel() {
            // JCOP cannot process a protected command without any data object.
            command = command.with_le(Le::Short);
        }
        match self.send(&command)?.sw {
            StatusWord::OK => Ok(PinStatus::Verified),
            StatusWord::BLOCKED => Ok(PinStatus::Blocked),
            StatusWord::NOT_USABLE => Ok(PinStatus::Transport),
            StatusWord::REFERENCE_NOT_FOUND => Ok(PinStatus::NotSet),
            StatusWord::AUTHENTICATION_FAILED => Ok(PinStatus::PkaActive),
            sw => match sw.tries() {
                Some(tries) => Ok(PinStatus::NotVerified { tries }),
                None => Err(CardError::Refused {
                    what: "tell the state of its PIN",
                    sw,
                }),
            },
        }
    }

    /// Logs in with the user PIN. One try; a wrong one also ends an existing login.
    ///
    /// # Errors
    /// [`CardError::WrongPin`], [`CardError::PinBlocked`], or the card's.
    pub fn verify_pin(&mut self, pin: &Pin) -> Result<(), CardError> {
        let command = Command::new(0x00, 0x20, 0x00, 0x81).with_data(pin.as_bytes());
        self.pin_command("check its PIN", command)
    }

    /// Changes the user PIN.
    ///
    /// # Errors
    /// As [`SmartCardHsm::verify_pin`].
    pub fn change_pin(&mut self, old: &Pin, new: &Pin) -> Result<(), CardError> {
        let data = zeroize::Zeroizing::new([old.as_bytes(), new.as_bytes()].concat());
        let command = Command::new(0x00, 0x24, 0x00, 0x81).with_data(data.as_slice());
        self.pin_command("change its PIN", command)
    }

    /// Unblocks the user PIN and sets a new one, if the card was initialised to allow that.
    ///
    /// # Errors
    /// [`CardError::WrongPin`] means the SO-PIN.
    pub fn reset_retry_counter(&mut self, so_pin: &SoPin, new: &Pin) -> Result<(), CardError> {
        let data = zeroize::Zeroizing::new([so_pin.as_bytes(), new.as_bytes()].concat());
        let command = Command::new(0x00, 0x2C, 0x00, 0x81).with_data(data.as_slice());
        self.pin_command("reset its PIN", command)
    }

    fn pin_command(&mut self, what: &'static str, mut command: Command) -> Result<(), CardError> {
        let sw = self.send(&command).map(|response| response.sw);
        zeroize::Zeroize::zeroize(&mut command.data);
        match sw? {
            StatusWord::OK => Ok(()),
            StatusWord::BLOCKED => Err(CardError::PinBlocked),
            sw => match sw.tries() {
                Some(0) => Err(CardError::PinBlocked),
                Some(tries_left) => Err(CardError::WrongPin { tries_left }),
                None => Err(CardError::Refused { what, sw }),
            },
        }
    }
}
