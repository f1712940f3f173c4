//! A custodian's response to the HSM's challenge.

use countersign_card::pka::{Challenge, ChallengeBehaviour, RespondOutcome};
use countersign_protocol::cvc::{Chr, EcSignature, PublicKey};

/// What is presented to the card.
#[derive(Debug)]
pub struct Response {
    /// Name of the registered key.
    pub name: Chr,
    /// The registered key.
    pub key: PublicKey,
    /// The challenge that was signed.
    pub challenge: Challenge,
    pub signature: EcSignature,
}

/// What the card made of a [`Response`].
#[derive(Debug)]
pub struct Responded {
    pub outcome: RespondOutcome,
    /// How long the device's challenges live, as far as is known by now.
    pub behaviour: ChallengeBehaviour,
}
