//! The proof that a card is locked: a key use that the card refuses because nobody has authenticated.
//!
//! The status bytes do not prove it, because some cards display a count of 0 while their keys are still open. A refusal
//! proves it only if the card has no other reason to refuse. Therefore every probe fits the key that it names, so that an
//! open card carries it out, and only 6982 is accepted as proof. Any other refusal, such as the 6400 that some cards return
//! for an unsuitable algorithm or input, may come from an open card.

use countersign_cvc::PublicKey;

use super::{
    SmartCardHsm,
    keys::KeyInfo,
    sign::{SignAlgorithm, sign_command},
};
use crate::{
    apdu::{Command, Le, StatusWord},
    error::CardError,
};

/// Limit for a card that answers none of the probes clearly.
const MAX_PROBES: usize = 12;

/// `DigestInfo` of a SHA-256 digest (RFC 8017, section 9.2, note 1), without the digest.
const SHA_256_DIGEST_INFO: [u8; 19] = [
    0x30, 0x31, 0x30, 0x0D, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05,
    0x00, 0x04, 0x20,
];

/// Input for algorithms that hash on the card. A signature over it shows what it was made for.
const MESSAGE: &[u8] = b"Probe: a locked card refuses to sign this.";

/// How a card proved that it is locked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LockProof {
    /// The card refused a signature with one of its keys.
    SignatureRefused(StatusWord),
    /// The card has no key that could sign; it refused to generate one.
    GenerationRefused(StatusWord),
}

impl std::fmt::Display for LockProof {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::SignatureRefused(sw) => write!(f, "the card refused a signature: {sw}"),
            Self::GenerationRefused(sw) => write!(f, "the card refused to generate a key: {sw}"),
        }
    }
}

/// What a card answered when it was asked to use a key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LockCheck {
    /// The card refused because nobody has authenticated.
    Locked(LockProof),
    /// The card used the key, so it is open.
    Open,
    /// The card refused for a reason that an open card may have, too.
    Unclear(StatusWord),
}

impl LockCheck {
    /// Whether the card is proven to be locked.
    pub const fn is_locked(&self) -> bool {
        matches!(self, Self::Locked(_))
    }
}

/// A SIGN command that a locked card must refuse.
struct Probe {
    reference: u8,
    algorithm: SignAlgorithm,
    input: Vec<u8>,
}

impl SmartCardHsm {
    /// Requests a signature that the card must refuse while it is locked. `keys` is the card's list of keys.
    ///
    /// Where no key is suitable (there is none, its kind is unknown, or it allows no signature), the generation of a key is
    /// requested instead.
    ///
    /// # Errors
    /// The connection to the card is lost, or an answer is malformed. A refusal is not an error.
    pub fn prove_locked(&mut self, keys: &[KeyInfo]) -> Result<LockCheck, CardError> {
        let longest = self.max_command_data();
        let mut unclear = None;
        for probe in probes(keys, longest).take(MAX_PROBES) {
            let command = sign_command(probe.reference, probe.algorithm, &probe.input);
            match self.send(&command)?.sw {
                StatusWord::OK => return Ok(LockCheck::Open),
                sw @ StatusWord::NOT_AUTHENTICATED => {
                    return Ok(LockCheck::Locked(LockProof::SignatureRefused(sw)));
                }
                sw => unclear = unclear.or(Some(sw)),
            }
        }
        match unclear {
            Some(sw) => Ok(LockCheck::Unclear(sw)),
            None => self.prove_locked_without_key(),
        }
    }

    fn prove_locked_without_key(&mut self) -> Result<LockCheck, CardError> {
        // An incomplete template: an open card refuses its content, a locked card refuses the command.
        let command = Command::new(0x00, 0x46, 0xFF, 0x00)
            .with_data([0x5F, 0x29, 0x01, 0x00])
            .with_le(Le::Short);
        Ok(match self.send(&command)?.sw {
            StatusWord::OK => LockCheck::Open,
            sw @ StatusWord::NOT_AUTHENTICATED => {
                LockCheck::Locked(LockProof::GenerationRefused(sw))
            }
            sw => LockCheck::Unclear(sw),
        })
    }
}

/// Probes whose input has at most `longest` bytes, the best first. Keys with a use counter come last, because an open card
/// counts the probe. Keys whose counter is exhausted are left out, because an open card refuses them, too.
fn probes(keys: &[KeyInfo], longest: usize) -> impl Iterator<Item = Probe> {
    let counted = |counted: bool| {
        keys.iter()
            .filter(move |key| key.uses_left != Some(0) && key.uses_left.is_some() == counted)
    };
    counted(false)
        .chain(counted(true))
        .flat_map(move |key| probes_of(key, longest))
}

/// The probes that fit the kind of the key and the algorithms that the card allows for it.
fn probes_of(key: &KeyInfo, longest: usize) -> impl Iterator<Item = Probe> {
    let reference = key.reference;
    let allowed = |algorithm: SignAlgorithm| {
        key.algorithms
            .as_deref()
            .is_none_or(|list| list.contains(&(algorithm as u8)))
    };
    inputs(key.public_key.as_ref())
        .into_iter()
        .filter(move |(algorithm, input)| allowed(*algorithm) && input.len() <= longest)
        .map(move |(algorithm, input)| Probe {
            reference,
            algorithm,
            input,
        })
}

/// Inputs that an open card signs with a key of this kind. They are chosen so that their signatures prove nothing.
fn inputs(key: Option<&PublicKey>) -> Vec<(SignAlgorithm, Vec<u8>)> {
    match key {
        None => Vec::new(),
        Some(PublicKey::Ec(key)) => {
            // An ECDSA signature of the digest 0 can be computed without the private key.
            let zero = vec![0; key.curve().field_len().min(64)];
            vec![
                (SignAlgorithm::Ecdsa, zero),
                (SignAlgorithm::EcdsaSha256, MESSAGE.to_vec()),
            ]
        }
        Some(PublicKey::Rsa(key)) => {
            // The raw signature of the number 1 is 1 with every key.
            let mut one = vec![0; key.modulus().len()];
            if let Some(last) = one.last_mut() {
                *last = 1;
            }
            vec![
                (SignAlgorithm::RsaRaw, one),
                // No content with the digest 0 is known.
                (
                    SignAlgorithm::RsaPkcs1,
                    [&SHA_256_DIGEST_INFO[..], &[0; 32]].concat(),
                ),
                (SignAlgorithm::RsaPss, vec![0; 32]),
                (SignAlgorithm::RsaPkcs1Sha256, MESSAGE.to_vec()),
                (SignAlgorithm::RsaPssSha256, MESSAGE.to_vec()),
            ]
        }
    }
}
