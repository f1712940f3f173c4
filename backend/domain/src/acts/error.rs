//! The reasons why an act cannot be proposed, signed or carried out.

use std::time::Duration;

use countersign_protocol::{Timestamp, id::ActId, operator::Role};

use crate::{
    activation::ActivationError, devices::DeviceError, hsm::HsmError, identity::IdentityError,
    keys::KeyError, people::PeopleError, store::StoreError, tokens::TokenError,
};

#[derive(Debug, thiserror::Error)]
pub enum ActError {
    #[error("act {0} does not exist: it may have ended long ago, and the audit log still has it")]
    NotFound(ActId),
    #[error("this requires the role `{0}`: ask an admin for it")]
    Role(Role),
    #[error("only the person who proposed an API token can sign it")]
    NotProposer,
    #[error("your key is not confirmed, or was revoked: ask an admin")]
    NotConfirmed,
    #[error("you have signed this act: somebody else has to sign it as well")]
    AlreadySigned,
    /// How it ended, in words.
    #[error("this act {0}: propose it again if it is still needed")]
    Ended(&'static str),
    #[error("this act is being carried out: wait for its result")]
    CarryingOut,
    #[error("since this act was proposed, {0}: withdraw it, and propose it again")]
    Changed(&'static str),
    #[error(
        "the key of {0} was revoked after it signed or proposed this act: withdraw it, and propose it again"
    )]
    SignerRevoked(String),
    #[error(
        "{name}'s admin key was revoked a short time ago, and this needs two admins until {at}, so that nobody can avoid the second \
         signature by revoking its signer: wait, or have a second admin confirmed first",
        at = until.strftime("%Y-%m-%d %H:%M UTC")
    )]
    SecondAdminRevoked { name: String, until: Timestamp },
    #[error("the signature was rejected: {0}")]
    Statement(String),
    #[error("{0} acts that you proposed await signatures: sign or withdraw some of them first")]
    TooManyPending(usize),
    /// The time after which the next proposal is possible.
    #[error("you have proposed too many acts: try again in {} s", .0.as_secs() + 1)]
    TooOften(Duration),
    #[error(
        "a part of the server failed, so the outcome is unknown: check what the act was to change"
    )]
    Panicked,
    #[error(transparent)]
    People(#[from] PeopleError),
    #[error(transparent)]
    Token(#[from] TokenError),
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error(transparent)]
    Device(#[from] DeviceError),
    #[error(transparent)]
    Hsm(#[from] HsmError),
    #[error(transparent)]
    Activation(#[from] ActivationError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Identity(#[from] IdentityError),
}
