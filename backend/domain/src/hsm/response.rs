//! A custodian's response to the HSM's challenge.

use countersign_card::pka::{Challenge, ChallengeBehaviour, RespondOutcome};
use countersign_protocol::cvc::{Chr, EcSignature, PublicKey};

#[derive(Debug)]
pub struct Response {
    /// Holder reference of the registered key.
    pub name: Chr,
    pub key: PublicKey,
    pub challenge: Challenge,
    pub signature: EcSignature,
}

/// The card's answer to a [`Response`].
#[derive(Debug)]
pub struct Responded {
    pub outcome: RespondOutcome,
    /// How long the device's challenges stay valid, as far as observed.
    pub behaviour: ChallengeBehaviour,
}
