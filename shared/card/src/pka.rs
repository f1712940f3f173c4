//! Public key authentication: status, challenge, and a procedure that works with all known cards.
//!
//! Some cards use one challenge for all custodians and discard the authentications when a new challenge is fetched. Other cards
//! accept only one response to a challenge. [`Round`] detects the behaviour and reports what to do. The number of
//! authentications always comes from the card.

use countersign_cvc::{Chr, DeviceId, EcSignature, PublicKey};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{driver::SmartCardHsm, error::CardError};

/// Status of public key authentication as the card reports it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PkaStatus {
    /// Number of keys in the quorum (m).
    pub total: u8,
    /// Number of keys that are not registered yet.
    pub missing: u8,
    /// Number of keys that must authenticate (n).
    pub required: u8,
    /// Number of keys that have authenticated.
    pub authenticated: u8,
}

pub(crate) const QUORUM_STATUS: &str = "status of the quorum";

impl PkaStatus {
    pub(crate) fn parse(data: &[u8]) -> Result<Self, CardError> {
        match data {
            [total, missing, required, authenticated] => Ok(Self {
                total: *total,
                missing: *missing,
                required: *required,
                authenticated: *authenticated,
            }),
            _ => Err(CardError::malformed(
                QUORUM_STATUS,
                "the response does not have four bytes",
            )),
        }
    }
}

/// A challenge of a device: 8 random bytes.
///
/// Custodians sign the device's identity followed by the challenge, without a length between them, and an identity has 8 to 16
/// characters. Because every challenge has the same length, a response for one device is never one for another device whose
/// identity begins in the same way.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Challenge([u8; Self::LENGTH]);

/// The bytes are not a challenge.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a challenge must have 8 bytes, not {0}")]
pub struct InvalidChallenge(usize);

impl Challenge {
    /// The number of bytes of every challenge.
    pub const LENGTH: usize = 8;

    /// Creates a challenge from its bytes.
    ///
    /// # Errors
    /// [`InvalidChallenge`] unless there are [`Self::LENGTH`] bytes.
    pub fn new(bytes: &[u8]) -> Result<Self, InvalidChallenge> {
        let bytes = bytes.try_into().map_err(|_| InvalidChallenge(bytes.len()));
        bytes.map(Self)
    }

    /// The bytes of the challenge.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The digest that a custodian's key signs: SHA-256 over the device identity followed by the challenge.
    pub fn digest(&self, device: &DeviceId) -> [u8; 32] {
        Sha256::new()
            .chain_update(device.as_bytes())
            .chain_update(self.0)
            .finalize()
            .into()
    }
}

/// How long a challenge of a device remains valid, as far as it is known.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChallengeBehaviour {
    /// The behaviour is not known yet.
    #[default]
    Unknown,
    /// One challenge can be answered by several custodians.
    Kept,
    /// A response invalidates the challenge, but the authentications so far remain.
    SingleUse,
    /// A new challenge makes the device discard the authentications so far.
    ResetOnChallenge,
}

/// A custodian's response to a challenge.
#[derive(Clone, Debug)]
pub struct PkaResponse<'a> {
    /// Holder reference of the key.
    pub name: &'a Chr,
    /// The registered key.
    pub key: &'a PublicKey,
    /// The challenge that the response answers.
    pub challenge: &'a Challenge,
    /// Signature over [`Challenge::digest`].
    pub signature: &'a EcSignature,
}

/// Result of a response.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum RespondOutcome {
    /// The card has added this custodian to its count.
    Counted(PkaStatus),
    /// The card had already counted this custodian.
    AlreadyCounted(PkaStatus),
    /// The signature does not verify, so the response was not sent to the card.
    WrongSignature,
    /// The response answers an older challenge, so it was not sent to the card.
    StaleChallenge,
    /// The card refused a valid response, so the challenge had expired. A new challenge has been fetched, and the custodian
    /// must answer it.
    NeedsFreshChallenge {
        /// Whether the card has discarded the other authentications, so that those custodians must authenticate again.
        others_forgotten: bool,
        /// Status of the card after the new challenge.
        status: PkaStatus,
    },
}

/// One attempt to reach the quorum: it collects the responses of the custodians.
#[derive(Debug)]
pub struct Round {
    device: DeviceId,
    behaviour: ChallengeBehaviour,
    challenge: Option<Challenge>,
    /// The card has accepted a response to the challenge.
    used: bool,
}

impl Round {
    /// Begins a round with a device, whose `behaviour` may be known from an earlier round.
    pub fn new(device: DeviceId, behaviour: ChallengeBehaviour) -> Self {
        Self {
            device,
            behaviour,
            challenge: None,
            used: false,
        }
    }

    /// Behaviour of the device, as far as this round has detected it.
    pub fn behaviour(&self) -> ChallengeBehaviour {
        self.behaviour
    }

    /// Returns the challenge that the next custodian must sign. A new one is fetched only if there is none, or if the device is
    /// known to accept only one response without discarding the other authentications.
    ///
    /// # Errors
    /// The connection to the card is lost, or the card refuses the command.
    pub fn challenge(&mut self, card: &mut SmartCardHsm) -> Result<Challenge, CardError> {
        let consumed = self.used && self.behaviour == ChallengeBehaviour::SingleUse;
        match &self.challenge {
            Some(challenge) if !consumed => Ok(challenge.clone()),
            _ => self.fetch(card),
        }
    }

    fn fetch(&mut self, card: &mut SmartCardHsm) -> Result<Challenge, CardError> {
        let challenge = card.get_challenge()?;
        self.challenge = Some(challenge.clone());
        self.used = false;
        Ok(challenge)
    }

    /// Presents a response to the card.
    ///
    /// # Errors
    /// The connection to the card is lost, or its status cannot be read. A refused response is not an error.
    pub fn respond(
        &mut self,
        card: &mut SmartCardHsm,
        response: &PkaResponse<'_>,
    ) -> Result<RespondOutcome, CardError> {
        let digest = response.challenge.digest(&self.device);
        if response
            .key
            .verify_prehash(&digest, response.signature)
            .is_err()
        {
            return Ok(RespondOutcome::WrongSignature);
        }
        if self.challenge.as_ref() != Some(response.challenge) {
            return Ok(RespondOutcome::StaleChallenge);
        }
        let before = status(card)?;
        let (_, sw) = card.external_authenticate(response.name, response.signature)?;
        let after = status(card)?;
        if sw.is_ok() {
            if self.used && self.behaviour == ChallengeBehaviour::Unknown {
                self.behaviour = ChallengeBehaviour::Kept;
            }
            self.used = true;
            return Ok(if after.authenticated > before.authenticated {
                RespondOutcome::Counted(after)
            } else {
                RespondOutcome::AlreadyCounted(after)
            });
        }
        // The signature is valid, so the card must have refused the challenge.
        self.fetch(card)?;
        let now = status(card)?;
        let others_forgotten = now.authenticated < before.authenticated;
        self.behaviour = if others_forgotten {
            ChallengeBehaviour::ResetOnChallenge
        } else {
            ChallengeBehaviour::SingleUse
        };
        Ok(RespondOutcome::NeedsFreshChallenge {
            others_forgotten,
            status: now,
        })
    }
}

fn status(card: &mut SmartCardHsm) -> Result<PkaStatus, CardError> {
    card.pka_status()?.ok_or(CardError::PkaNotConfigured)
}

#[cfg(test)]
mod tests {
    use hex_literal::hex;

    use super::*;

    #[test]
    fn the_digest_matches_the_test_vector() {
        let device: DeviceId = "ZZSIM00000200001".parse().expect("a device id");
        let challenge = Challenge::new(&hex!("0123456789ABCDEF")).expect("8 bytes");
        assert_eq!(
            challenge.digest(&device),
            hex!("71CDFB15219D1DDB0268FC187F3DB7820D1C0E649F571CFE71B93AFD64A29736")
        );
    }

    #[test]
    fn a_response_for_one_device_is_not_one_for_another() {
        for length in [0, 7, 9, 16, 32, 33] {
            assert!(Challenge::new(&vec![0; length]).is_err(), "{length}");
        }
        // The longer identity followed by a challenge equals the shorter one followed by a longer challenge, which is refused.
        let long: DeviceId = "ZZSIM00000200001".parse().expect("a device id");
        let short: DeviceId = "ZZSIM0000020".parse().expect("a device id");
        let challenge = Challenge::new(b"challeng").expect("8 bytes");
        let other = Challenge::new(b"0001chal").expect("8 bytes");
        assert_ne!(challenge.digest(&long), other.digest(&short));
        assert!(Challenge::new(b"0001challeng").is_err());
    }
}
