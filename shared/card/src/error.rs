//! Errors of card operations.

use countersign_cvc::{
    CertificateError, ChainError, KeyError, RequestError, SignatureError, tlv::TlvError,
};

use crate::{apdu::StatusWord, driver::InvalidOptions, transport::TransportError};

/// The reason why a card operation failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CardError {
    /// The connection to the card failed.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// The card does not have the application.
    #[error("this card is not a SmartCard-HSM: the application is not installed on it")]
    NotASmartCardHsm,
    /// The device certificates cannot be used.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// The card does not support chip authentication or secure messaging.
    #[error(
        "the card does not support a secure channel ({0}): connect it to a local reader, because it cannot be used over a network"
    )]
    SecureChannelUnsupported(StatusWord),
    /// The card did not prove that it has the key of its device certificate.
    #[error(
        "the card could not prove its identity: it may be forged, or someone may be tampering with the connection. Do not use it"
    )]
    ChipAuthenticationFailed,
    /// The secure channel broke.
    #[error("the secure channel to the card broke, so its logins ended: connect to the card again")]
    ChannelLost,
    /// The PIN or SO-PIN is wrong.
    #[error("the PIN is wrong: {} left", tries(*.tries_left))]
    WrongPin {
        /// Number of tries left.
        tries_left: u8,
    },
    /// The PIN or SO-PIN has no tries left.
    #[error(
        "the card's PIN is blocked: reset it with the SO-PIN if the card allows that, or enrol a spare card"
    )]
    PinBlocked,
    /// The card is locked: the PIN is not verified, or the quorum has not authenticated.
    #[error("the card is locked ({0}): authenticate with the PIN or the quorum first")]
    NotAuthenticated(StatusWord),
    /// The use counter of the key is at 0.
    #[error(
        "the key's use counter is exhausted: the card never uses this key again. Generate a new key"
    )]
    KeyUseCounterExhausted,
    /// The key's list of algorithms does not contain the algorithm.
    #[error("the card does not allow this algorithm for this key")]
    AlgorithmNotAllowed,
    /// The key does not exist.
    #[error("the key does not exist on the card")]
    NoSuchKey,
    /// The card has no free key reference or no space.
    #[error("the card is full: delete a key that is no longer used")]
    Full,
    /// The device has no key domains.
    #[error(
        "the device was initialised without key domains, so its keys cannot be exported or imported: initialise it with DKEK shares"
    )]
    NoKeyDomain,
    /// The DKEK is not the one that wrapped the key, or the wrapped key is damaged.
    #[error(
        "the wrapped key was exported with another DKEK or is damaged: import the same DKEK shares into both devices"
    )]
    WrongDkek,
    /// Public key authentication is not set up.
    #[error(
        "the device is not set up for public key authentication: initialise it with a quorum first"
    )]
    PkaNotConfigured,
    /// The device refused to register a custodian's key.
    #[error("the device refused to register this key: {0}")]
    RegistrationRefused(&'static str),
    /// The card returned another status word.
    #[error("the card refused a command ({what}): {sw}")]
    Refused {
        /// Operation, as a noun phrase such as "generation of a key".
        what: &'static str,
        /// Status word of the response.
        sw: StatusWord,
    },
    /// A response or a file has an unexpected form.
    #[error("unexpected data ({what}): {why}")]
    Malformed {
        /// Operation or data, as a noun phrase such as "reading of certificates".
        what: &'static str,
        /// Description of the problem.
        why: String,
    },
    /// The options of an initialisation are invalid. No command was sent.
    #[error(transparent)]
    Options(#[from] InvalidOptions),
    /// The operating system did not provide random numbers.
    #[error("the operating system's random generator failed: {0}")]
    Random(String),
}

/// A number of tries with its noun.
fn tries(count: u8) -> String {
    match count {
        1 => "1 try".into(),
        count => format!("{count} tries"),
    }
}

impl CardError {
    pub(crate) fn malformed(what: &'static str, why: impl std::fmt::Display) -> Self {
        Self::Malformed {
            what,
            why: why.to_string(),
        }
    }

    /// Whether the connection to the card or the state of its session is lost.
    pub fn is_connection_lost(&self) -> bool {
        matches!(self, Self::Transport(_) | Self::ChannelLost)
    }
}

macro_rules! malformed {
    ($($error:ty => $what:literal),* $(,)?) => {
        $(impl From<$error> for CardError {
            fn from(error: $error) -> Self {
                Self::malformed($what, error)
            }
        })*
    };
}

malformed! {
    TlvError => "response of the card",
    CertificateError => "certificate",
    RequestError => "key request",
    SignatureError => "signature",
    KeyError => "public key",
}
