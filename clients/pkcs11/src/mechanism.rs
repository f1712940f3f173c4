//! PKCS#11 mechanisms: those that a key offers, and how they take the input of a signature.

use countersign_protocol::{
    cvc::PublicKey,
    hsm::SigningKeyView,
    mechanism::{Hash, Mechanism, Scheme},
};
use cryptoki_sys as ck;
use cryptoki_sys::{CK_FLAGS, CK_MECHANISM_TYPE, CK_ULONG};

use crate::rv::{Result, Rv};

/// A mechanism with the fields of `C_GetMechanismInfo`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OfferedMechanism {
    pub mechanism: CK_MECHANISM_TYPE,
    /// The operations. A mechanism that is only used inside others has none.
    pub flags: CK_FLAGS,
    /// The smallest and the largest key size, in bits.
    pub sizes: (CK_ULONG, CK_ULONG),
}

/// How the input of a signature is interpreted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// Data, which the module hashes.
    Data(Mechanism),
    /// A digest whose length determines the hash function.
    EcdsaDigest,
    /// A DigestInfo (RFC 8017, section 9.2).
    DigestInfo,
    /// A digest for this mechanism.
    PssDigest(Mechanism),
    /// A block to which the program has applied the padding.
    Block,
}

/// The mechanism and the parameters of `C_SignInit`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignParameters {
    pub input: Input,
    /// The length of the salt in bytes, if it differs from that of the digest.
    pub salt_length: Option<u16>,
}

/// The content of `CK_RSA_PKCS_PSS_PARAMS`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PssParameters {
    pub hash: CK_MECHANISM_TYPE,
    /// The mask generation function.
    pub mgf: CK_ULONG,
    /// The length of the salt.
    pub salt: CK_ULONG,
}

const ECDSA: [(CK_MECHANISM_TYPE, Hash); 3] = [
    (ck::CKM_ECDSA_SHA256, Hash::Sha256),
    (ck::CKM_ECDSA_SHA384, Hash::Sha384),
    (ck::CKM_ECDSA_SHA512, Hash::Sha512),
];
const RSA_PKCS: [(CK_MECHANISM_TYPE, Hash); 3] = [
    (ck::CKM_SHA256_RSA_PKCS, Hash::Sha256),
    (ck::CKM_SHA384_RSA_PKCS, Hash::Sha384),
    (ck::CKM_SHA512_RSA_PKCS, Hash::Sha512),
];
const RSA_PSS: [(CK_MECHANISM_TYPE, Hash); 3] = [
    (ck::CKM_SHA256_RSA_PKCS_PSS, Hash::Sha256),
    (ck::CKM_SHA384_RSA_PKCS_PSS, Hash::Sha384),
    (ck::CKM_SHA512_RSA_PKCS_PSS, Hash::Sha512),
];
const HASHES: [(CK_MECHANISM_TYPE, CK_ULONG, Hash); 3] = [
    (ck::CKM_SHA256, ck::CKG_MGF1_SHA256, Hash::Sha256),
    (ck::CKM_SHA384, ck::CKG_MGF1_SHA384, Hash::Sha384),
    (ck::CKM_SHA512, ck::CKG_MGF1_SHA512, Hash::Sha512),
];

/// The mechanisms of a key.
pub fn of_key(key: &SigningKeyView) -> Vec<OfferedMechanism> {
    let bits = CK_ULONG::try_from(key.public_key.bits()).unwrap_or(0);
    let sign = ck::CKF_HW | ck::CKF_SIGN;
    let offered = |flags| {
        move |mechanism| OfferedMechanism {
            mechanism,
            flags,
            sizes: (bits, bits),
        }
    };
    match &key.public_key {
        PublicKey::Ec(_) => std::iter::once(ck::CKM_ECDSA)
            .chain(ECDSA.into_iter().filter_map(|(mechanism, hash)| {
                Mechanism::new(Scheme::Ecdsa, hash)?
                    .is_for(&key.public_key)
                    .then_some(mechanism)
            }))
            .map(offered(
                sign | ck::CKF_EC_F_P | ck::CKF_EC_NAMEDCURVE | ck::CKF_EC_UNCOMPRESS,
            ))
            .collect(),
        PublicKey::Rsa(_) => {
            let raw = key.mechanisms.contains(&Mechanism::RsaRaw);
            [ck::CKM_RSA_PKCS, ck::CKM_RSA_PKCS_PSS]
                .into_iter()
                .chain(RSA_PKCS.map(|(mechanism, _)| mechanism))
                .chain(RSA_PSS.map(|(mechanism, _)| mechanism))
                .chain(raw.then_some(ck::CKM_RSA_X_509))
                .map(offered(sign))
                .collect()
        }
    }
}

/// The mechanisms of a token with these keys. Hash functions are listed too, because Java uses PSS only with a token
/// that lists them. They have no flags, because the module offers no separate hashing.
pub fn of_token<'a>(keys: impl Iterator<Item = &'a SigningKeyView>) -> Vec<OfferedMechanism> {
    let mut all: Vec<OfferedMechanism> = Vec::new();
    let mut rsa = false;
    for key in keys {
        rsa |= matches!(key.public_key, PublicKey::Rsa(_));
        for new in of_key(key) {
            match all
                .iter_mut()
                .find(|known| known.mechanism == new.mechanism)
            {
                Some(known) => {
                    known.sizes.0 = known.sizes.0.min(new.sizes.0);
                    known.sizes.1 = known.sizes.1.max(new.sizes.1);
                }
                None => all.push(new),
            }
        }
    }
    if rsa {
        all.extend(HASHES.map(|(mechanism, ..)| OfferedMechanism {
            mechanism,
            flags: 0,
            sizes: (0, 0),
        }));
    }
    all
}

/// Interprets a mechanism and its parameters for a key.
///
/// # Errors
/// The mechanism is unknown or not allowed for the key, its parameters are invalid, or it is for another type of key.
pub fn sign_parameters(
    key: &SigningKeyView,
    mechanism: CK_MECHANISM_TYPE,
    pss: Option<PssParameters>,
) -> Result<SignParameters> {
    let find = |table: &[(CK_MECHANISM_TYPE, Hash)], scheme| {
        let (_, hash) = table.iter().find(|(known, _)| *known == mechanism)?;
        Mechanism::new(scheme, *hash)
    };
    let known = match mechanism {
        ck::CKM_ECDSA => Some((Scheme::Ecdsa, Input::EcdsaDigest)),
        ck::CKM_RSA_PKCS => Some((Scheme::RsaPkcs1, Input::DigestInfo)),
        ck::CKM_RSA_X_509 => Some((Scheme::RsaRaw, Input::Block)),
        ck::CKM_RSA_PKCS_PSS => {
            let pss = pss.ok_or(Rv(ck::CKR_MECHANISM_PARAM_INVALID))?;
            let hash = HASHES.iter().find(|(known, ..)| *known == pss.hash);
            let (_, _, hash) = hash.ok_or(Rv(ck::CKR_MECHANISM_PARAM_INVALID))?;
            Mechanism::new(Scheme::RsaPss, *hash)
                .map(|mechanism| (Scheme::RsaPss, Input::PssDigest(mechanism)))
        }
        _ => find(&ECDSA, Scheme::Ecdsa)
            .or_else(|| find(&RSA_PKCS, Scheme::RsaPkcs1))
            .or_else(|| find(&RSA_PSS, Scheme::RsaPss))
            .map(|mechanism| (mechanism.scheme(), Input::Data(mechanism))),
    };
    let (scheme, input) = known.ok_or(Rv(ck::CKR_MECHANISM_INVALID))?;
    let ec = matches!(key.public_key, PublicKey::Ec(_));
    if ec != (scheme == Scheme::Ecdsa) {
        return Err(Rv(ck::CKR_KEY_TYPE_INCONSISTENT));
    }
    if scheme == Scheme::RsaRaw && !key.mechanisms.contains(&Mechanism::RsaRaw) {
        return Err(Rv(ck::CKR_MECHANISM_INVALID));
    }
    if let Input::Data(mechanism) = input
        && !mechanism.is_for(&key.public_key)
    {
        return Err(Rv(ck::CKR_MECHANISM_INVALID));
    }
    let salt_length = match (scheme, input) {
        (Scheme::RsaPss, Input::PssDigest(mechanism) | Input::Data(mechanism)) => {
            salt_length(key, mechanism, pss)?
        }
        _ => None,
    };
    Ok(SignParameters { input, salt_length })
}

/// The length of the salt, if it differs from that of the digest.
fn salt_length(
    key: &SigningKeyView,
    mechanism: Mechanism,
    pss: Option<PssParameters>,
) -> Result<Option<u16>> {
    let invalid = Rv(ck::CKR_MECHANISM_PARAM_INVALID);
    let pss = pss.ok_or(invalid)?;
    let hash = mechanism.hash().ok_or(invalid)?;
    let uses_one_hash = HASHES
        .iter()
        .any(|(name, mgf, known)| *known == hash && pss.hash == *name && pss.mgf == *mgf);
    if !uses_one_hash {
        return Err(invalid);
    }
    let digest_length = hash.digest_len();
    let longest = (key.public_key.bits() - 1)
        .div_ceil(8)
        .checked_sub(digest_length + 2)
        .ok_or(invalid)?;
    // libp11 passes on OpenSSL's special values: -1 is the length of the digest, -2 and -3 are the greatest possible
    // length.
    let length = match pss.salt {
        CK_ULONG::MAX => digest_length,
        length if length >= CK_ULONG::MAX - 2 => longest,
        length => usize::try_from(length).map_err(|_| invalid)?,
    };
    if length > longest {
        return Err(invalid);
    }
    let length_for_server = u16::try_from(length).map_err(|_| invalid)?;
    Ok((length != digest_length).then_some(length_for_server))
}

/// Returns the hash function and the digest inside a DigestInfo.
pub fn parse_digest_info(info: &[u8]) -> Option<(Hash, &[u8])> {
    [Hash::Sha256, Hash::Sha384, Hash::Sha512]
        .into_iter()
        .find_map(|hash| {
            let digest = info.strip_prefix(hash.digest_info().as_slice())?;
            (digest.len() == hash.digest_len()).then_some((hash, digest))
        })
}
