//! What the card is given for a mechanism: padding and DigestInfo are this side's work, since the card must not hash again.

use countersign_card::SignAlgorithm;
use countersign_protocol::{
    cvc::{PublicKey, RsaPublicKey},
    mechanism::{Hash, Scheme},
    signature::SignRequest,
};

use super::pss;

/// Why there is nothing to give to the card.
#[derive(Debug, PartialEq, Eq)]
pub enum NoInput {
    /// The key cannot do this.
    Mechanism,
    /// A salt where there is none, or one that does not fit; the longest that does.
    Salt(usize),
    /// No random numbers.
    Random,
}

/// Algorithm and input of the SIGN command.
///
/// # Errors
/// [`NoInput`].
pub fn card_input(
    request: &SignRequest,
    key: &PublicKey,
) -> Result<(SignAlgorithm, Vec<u8>), NoInput> {
    let digest = &request.digest;
    let scheme = request.mechanism.scheme();
    if request.salt_length.is_some() && scheme != Scheme::RsaPss {
        return Err(NoInput::Salt(0));
    }
    match (scheme, request.mechanism.hash(), key) {
        (Scheme::Ecdsa, Some(_), PublicKey::Ec(key)) => {
            // ECDSA takes the leftmost bits of a digest that is longer than the order (FIPS 186-5, section 6.4.1).
            let used = digest.iter().take(key.curve().field_len());
            Ok((SignAlgorithm::Ecdsa, used.copied().collect()))
        }
        (Scheme::RsaPkcs1, Some(hash), PublicKey::Rsa(_)) => Ok((
            SignAlgorithm::RsaPkcs1,
            [&hash.digest_info(), digest.as_slice()].concat(),
        )),
        (Scheme::RsaPss, Some(hash), PublicKey::Rsa(key)) => pss_input(request, hash, key),
        (Scheme::RsaRaw, None, PublicKey::Rsa(_)) => Ok((SignAlgorithm::RsaRaw, digest.clone())),
        _ => Err(NoInput::Mechanism),
    }
}

/// The card pads with a salt as long as the hash; every other length is padded here.
fn pss_input(
    request: &SignRequest,
    hash: Hash,
    key: &RsaPublicKey,
) -> Result<(SignAlgorithm, Vec<u8>), NoInput> {
    let length = match request.salt_length.map(usize::from) {
        None => return Ok((SignAlgorithm::RsaPss, request.digest.clone())),
        Some(usual) if usual == hash.digest_len() => {
            return Ok((SignAlgorithm::RsaPss, request.digest.clone()));
        }
        Some(length) => length,
    };
    let longest = pss::longest_salt(hash, key.bits()).unwrap_or(0);
    if length > longest {
        return Err(NoInput::Salt(longest));
    }
    let mut salt = vec![0; length];
    getrandom::fill(&mut salt).map_err(|_| NoInput::Random)?;
    let block =
        pss::encode(hash, &request.digest, &salt, key.bits()).ok_or(NoInput::Salt(longest))?;
    Ok((SignAlgorithm::RsaRaw, block))
}
