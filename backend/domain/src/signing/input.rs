//! Builds the input of the SIGN command. The server adds padding and DigestInfo, because the card must not hash again.

use countersign_card::SignAlgorithm;
use countersign_protocol::{
    cvc::{PublicKey, RsaPublicKey},
    mechanism::{Hash, Scheme},
    signature::SignRequest,
};

use super::pss;

/// The reason why there is no input for a request.
#[derive(Debug, PartialEq, Eq)]
pub enum NoInput {
    /// The key does not support the mechanism.
    Mechanism,
    /// The mechanism has no salt, or the salt is too long. The number is the longest possible length in bytes.
    Salt(usize),
    /// The operating system's random generator failed.
    Random,
}

/// Algorithm and input of the SIGN command.
pub fn card_input(
    request: &SignRequest,
    key: &PublicKey,
) -> Result<(SignAlgorithm, Vec<u8>), NoInput> {
    let digest = &request.digest;
    let scheme = request.mechanism.scheme();
    if !request.mechanism.is_for(key) {
        return Err(NoInput::Mechanism);
    }
    if request.salt_length.is_some() && scheme != Scheme::RsaPss {
        return Err(NoInput::Salt(0));
    }
    match (scheme, request.mechanism.hash(), key) {
        (Scheme::Ecdsa, Some(_), PublicKey::Ec(_)) => Ok((SignAlgorithm::Ecdsa, digest.clone())),
        (Scheme::RsaPkcs1, Some(hash), PublicKey::Rsa(_)) => Ok((
            SignAlgorithm::RsaPkcs1,
            [&hash.digest_info(), digest.as_slice()].concat(),
        )),
        (Scheme::RsaPss, Some(hash), PublicKey::Rsa(key)) => pss_input(request, hash, key),
        (Scheme::RsaRaw, None, PublicKey::Rsa(_)) => Ok((SignAlgorithm::RsaRaw, digest.clone())),
        _ => Err(NoInput::Mechanism),
    }
}

/// The card pads only with a salt as long as the digest. Padding with any other salt length is done here.
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
