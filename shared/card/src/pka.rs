//! Public key authentication: status, challenge, and the procedure that works with all known cards.
//!
//! Some cards keep one challenge for all custodians and forget everybody when a new one is fetched; others consume a
//! challenge with every response. [`Round`] finds out which, and says what to do. Nothing is assumed; the count always
//! comes from the card.

use countersign_cvc::{Chr, DeviceId, EcSignature, PublicKey};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{driver::SmartCardHsm, error::CardError};

/// PKA status as the card reports it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PkaStatus {
    /// m: keys in all.
    pub total: u8,
    /// Keys still to be registered.
    pub missing: u8,
    /// n: keys needed.
    pub required: u8,
    /// Keys that have authenticated.
    pub authenticated: u8,
}

impl PkaStatus {
    pub(crate) fn parse(data: &[u8]) -> Result<Self, CardError> {
        match data {
            [total, missing, required, authenticated] => Ok(Self {
                total: *total,
                missing: *missing,
                required: *required,
                authenticated: *authenticated,
            }),
            _ => Err(CardError::malformed("tell its quorum", "not four bytes")),
        }
    }
}

/// A challenge of a device, 8 to 32 bytes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Challenge(Vec<u8>);

/// Not a challenge.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a challenge has 8 to 32 bytes, this one {0}")]
pub struct InvalidChallenge(usize);

impl Challenge {
    /// Checks the length.
    ///
    /// # Errors
    /// [`InvalidChallenge`].
    pub fn new(bytes: &[u8]) -> Result<Self, InvalidChallenge> {
        if (8..=32).contains(&bytes.len()) {
            Ok(Self(bytes.to_vec()))
        } else {
            Err(InvalidChallenge(bytes.len()))
        }
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// What a custodian's key signs: SHA-256 over device identity and challenge.
    pub fn digest(&self, device: &DeviceId) -> [u8; 32] {
        Sha256::new()
            .chain_update(device.as_bytes())
            .chain_update(&self.0)
            .finalize()
            .into()
    }
}

/// What is known of how long a device's challenge lives.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChallengeBehaviour {
    /// Not known yet.
    #[default]
    Unknown,
    /// One challenge serves several custodians.
    Kept,
    /// A response consumes the challenge; custodians who have authenticated still count.
    SingleUse,
    /// A fresh challenge makes the device forget who has authenticated.
    ResetOnChallenge,
}

/// A custodian's response to a challenge.
#[derive(Clone, Debug)]
pub struct PkaResponse<'a> {
    /// Name of the key.
    pub name: &'a Chr,
    /// The registered key.
    pub key: &'a PublicKey,
    /// The challenge that was answered.
    pub challenge: &'a Challenge,
    /// The answer.
    pub signature: &'a EcSignature,
}

/// What became of a response.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum RespondOutcome {
    /// The card's count has risen.
    Counted(PkaStatus),
    /// This custodian counted already.
    AlreadyCounted(PkaStatus),
    /// The response does not verify; nothing was sent to the card.
    WrongSignature,
    /// The response is to an older challenge; nothing was sent to the card.
    StaleChallenge,
    /// The card refuses a response that is good: it wants a fresh challenge, which is ready. If the others were
    /// forgotten, they must authenticate again.
    NeedsFreshChallenge {
        /// Whether those who had authenticated count no more.
        others_forgotten: bool,
        /// The card's status now.
        status: PkaStatus,
    },
}

/// One round of collecting responses.
#[derive(Debug)]
pub struct Round {
    device: DeviceId,
    behaviour: ChallengeBehaviour,
    challenge: Option<Challenge>,
    /// The challenge has been used in a response that the card counted.
    used: bool,
}

impl Round {
    /// Begins a round; `behaviour` is what was learnt of this device before.
    pub fn new(device: DeviceId, behaviour: ChallengeBehaviour) -> Self {
        Self {
            device,
            behaviour,
            challenge: None,
            used: false,
        }
    }

    /// What is known of the device by now.
    pub fn behaviour(&self) -> ChallengeBehaviour {
        self.behaviour
    }

    /// The challenge that custodians are to sign now. A new one is fetched only where there is none, or where the device is
    /// known to consume them without forgetting anybody.
    ///
    /// # Errors
    /// The card's.
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
    /// The card's; a refusal is an outcome, not an error.
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
        // The signature is good, so it is the challenge that the card does not want any more.
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
    fn the_digest_is_the_worked_one() {
        let device: DeviceId = "ZZSIM00000200001".parse().expect("a device id");
        let challenge = Challenge::new(&hex!("0123456789ABCDEF")).expect("8 bytes");
        assert_eq!(
            challenge.digest(&device),
            hex!("71CDFB15219D1DDB0268FC187F3DB7820D1C0E649F571CFE71B93AFD64A29736")
        );
    }

    #[test]
    fn challenges_have_8_to_32_bytes() {
        assert!(Challenge::new(&[0; 7]).is_err());
        assert!(Challenge::new(&[0; 8]).is_ok());
        assert!(Challenge::new(&[0; 32]).is_ok());
        assert!(Challenge::new(&[0; 33]).is_err());
    }
}
