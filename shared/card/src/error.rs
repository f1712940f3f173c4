//! What can go wrong with a card, in words that say what to do.

use countersign_cvc::{
    CertificateError, ChainError, KeyError, RequestError, SignatureError, tlv::TlvError,
};

use crate::{apdu::StatusWord, transport::TransportError};

/// Why a card operation failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CardError {
    /// The way to the card.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// Not a SmartCard-HSM.
    #[error("this is not a SmartCard-HSM (no such application on the card)")]
    NotASmartCardHsm,
    /// Unusable certificates.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// The card cannot do chip authentication or secure messaging.
    #[error("the card refuses a secure channel ({0}): it cannot be used over a network")]
    SecureChannelUnsupported(StatusWord),
    /// The card could not prove that it has the key of its certificate.
    #[error(
        "the card failed to prove its identity: it may be a forgery or somebody is in the middle; do not use it"
    )]
    ChipAuthenticationFailed,
    /// The secure channel broke.
    #[error("the secure channel to the card broke; the card is logged out")]
    ChannelLost,
    /// Wrong PIN.
    #[error("the PIN is wrong; {tries_left} tries left")]
    WrongPin {
        /// Tries left.
        tries_left: u8,
    },
    /// PIN blocked.
    #[error(
        "the card's PIN is blocked: reset it with the SO-PIN if the card was set up so, else enrol a spare card"
    )]
    PinBlocked,
    /// Not open.
    #[error("the card refuses: not authenticated ({0})")]
    NotAuthenticated(StatusWord),
    /// Counter at zero.
    #[error("the key's use counter is exhausted: the card will never use this key again")]
    KeyUseCounterExhausted,
    /// Not for this key.
    #[error("the card does not allow this algorithm for this key")]
    AlgorithmNotAllowed,
    /// No such key.
    #[error("there is no such key on the card")]
    NoSuchKey,
    /// No free key reference.
    #[error("the card is full: no key reference is free")]
    Full,
    /// No domain.
    #[error(
        "the device was initialised without key domains: its keys cannot be copied, nor copies taken in. Initialise it with DKEK shares"
    )]
    NoKeyDomain,
    /// Another key encryption key.
    #[error(
        "the device has another DKEK than the one that wrapped the key, or the wrapped key is damaged: import the same DKEK shares first"
    )]
    WrongDkek,
    /// PKA is not set up.
    #[error(
        "the device is not set up for public key authentication: initialise it with a quorum first"
    )]
    PkaNotConfigured,
    /// Registration refused.
    #[error("the device refuses to register this key: {0}")]
    RegistrationRefused(&'static str),
    /// Any other status word.
    #[error("the card refused to {what}: {sw}")]
    Refused {
        /// What was tried.
        what: &'static str,
        /// Its answer.
        sw: StatusWord,
    },
    /// An answer that makes no sense.
    #[error("the card answered nonsense to `{what}`: {why}")]
    Malformed {
        /// What was tried.
        what: &'static str,
        /// What is wrong.
        why: String,
    },
}

impl CardError {
    pub(crate) fn malformed(what: &'static str, why: impl std::fmt::Display) -> Self {
        Self::Malformed {
            what,
            why: why.to_string(),
        }
    }

    /// Whether the connection, or what the card knew, is gone.
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
    TlvError => "read an answer",
    CertificateError => "read certificates",
    RequestError => "read a key request",
    SignatureError => "read a signature",
    KeyError => "read a key",
}
