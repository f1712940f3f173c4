//! PIN commands: VERIFY, CHANGE REFERENCE DATA, RESET RETRY COUNTER.

use zeroize::Zeroizing;

use super::SmartCardHsm;
use crate::{
    apdu::{Command, Le, StatusWord},
    error::CardError,
    pin::{Pin, SoPin},
};

/// One of the two PINs of a card.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PinKind {
    /// User PIN.
    User,
    /// SO-PIN, the initialisation code.
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

/// State of a PIN as the card reports it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PinStatus {
    /// The PIN is verified. On a card with public key authentication this can also mean that the quorum is complete.
    Verified,
    /// The PIN is not verified.
    NotVerified {
        /// Number of tries left.
        tries: u8,
    },
    /// The PIN has no tries left.
    Blocked,
    /// The PIN is a transport PIN, which must be changed first.
    Transport,
    /// The card does not have this PIN.
    NotSet,
    /// Public key authentication is active and not complete.
    PkaActive,
}

impl SmartCardHsm {
    /// Reads the state of a PIN, which does not change it.
    ///
    /// # Errors
    /// The connection to the card is lost, or the card refuses the command.
    pub fn pin_status(&mut self, kind: PinKind) -> Result<PinStatus, CardError> {
        let mut command = Command::new(0x00, 0x20, 0x00, kind.reference());
        if self.has_secure_channel() {
            // JCOP cannot process a protected command without a data object, and `Le` adds one.
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
                    what: "status of a PIN",
                    sw,
                }),
            },
        }
    }

    /// Logs in with the user PIN. The attempt uses up a try, and a wrong PIN also ends an existing login.
    ///
    /// # Errors
    /// [`CardError::WrongPin`] with the number of tries left; [`CardError::PinBlocked`] if none is left.
    pub fn verify_pin(&mut self, pin: &Pin) -> Result<(), CardError> {
        let command = Command::new(0x00, 0x20, 0x00, 0x81).with_data(pin.as_bytes());
        self.pin_command("verification of the PIN", &command)
    }

    /// Changes the user PIN.
    ///
    /// # Errors
    /// [`CardError::WrongPin`] if `old` is wrong; [`CardError::PinBlocked`] if no try is left.
    pub fn change_pin(&mut self, old: &Pin, new: &Pin) -> Result<(), CardError> {
        let data = Zeroizing::new([old.as_bytes(), new.as_bytes()].concat());
        let command = Command::new(0x00, 0x24, 0x00, 0x81).with_data(data.as_slice());
        self.pin_command("change of the PIN", &command)
    }

    /// Unblocks the user PIN and sets a new one. The card must have been initialised with
    /// [`super::option_bits::RESET_RETRY_COUNTER`].
    ///
    /// # Errors
    /// [`CardError::WrongPin`] if the SO-PIN is wrong; [`CardError::PinBlocked`] if the SO-PIN is blocked.
    pub fn reset_retry_counter(&mut self, so_pin: &SoPin, new: &Pin) -> Result<(), CardError> {
        let data = Zeroizing::new([so_pin.as_bytes(), new.as_bytes()].concat());
        let command = Command::new(0x00, 0x2C, 0x00, 0x81).with_data(data.as_slice());
        self.pin_command("reset of the PIN", &command)
    }

    fn pin_command(&mut self, what: &'static str, command: &Command) -> Result<(), CardError> {
        match self.send(command)?.sw {
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
