//! Mechanisms: which a key offers, and what becomes of the application's input.

use countersign_protocol::{
    cvc::PublicKey,
    hsm::SigningKeyView,
    mechanism::{Hash, Mechanism, Scheme},
};
use cryptoki_sys as ck;
use cryptoki_sys::{CK_FLAGS, CK_MECHANISM_TYPE, CK_ULONG};

use crate::rv::{Result, Rv};

/// A mechanism as `C_GetMechanismInfo` tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offered {
    /// Which.
    pub mechanism: CK_MECHANISM_TYPE,
    /// What it does. Zero: it is only part of others.
    pub flags: CK_FLAGS,
    /// Sizes of keys in bits.
    pub sizes: (CK_ULONG, CK_ULONG),
}

/// How the input of a signature is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// The data; hashed here.
    Data(Mechanism),
    /// The digest; its length says which hash.
    EcdsaDigest,
    /// DigestInfo (RFC 8017, section 9.2).
    DigestInfo,
    /// The digest for this.
    PssDigest(Mechanism),
    /// A padded block.
    Block,
}

/// What `C_SignInit` asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// How the input is taken.
    pub input: Input,
    /// Salt in bytes, where it is not as long as the hash.
    pub salt_length: Option<u16>,
}

/// `CK_RSA_PKCS_PSS_PARAMS`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PssParameters {
    /// Hash.
    pub hash: CK_MECHANISM_TYPE,
    /// Mask generation.
    pub mgf: CK_ULONG,
    /// Salt length.
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

/// What a key offers.
pub fn of_key(key: &SigningKeyView) -> Vec<Offered> {
    let bits = CK_ULONG::try_from(key.public_key.bits()).unwrap_or(0);
    let sign = ck::CKF_HW | ck::CKF_SIGN;
    let offered = |flags| {
        move |mechanism| Offered {
            mechanism,
            flags,
            sizes: (bits, bits),
        }
    };
    match &key.public_key {
        PublicKey::Ec(_) => std::iter::once(ck::CKM_ECDSA)
            .chain(ECDSA.map(|(mechanism, _)| mechanism))
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

/// What a token with these keys offers. Hashes are listed, since Java takes PSS only from a token that lists them, but
/// without a flag: nothing is hashed here for its own sake.
pub fn of_token<'a>(keys: impl Iterator<Item = &'a SigningKeyView>) -> Vec<Offered> {
    let mut all: Vec<Offered> = Vec::new();
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
        all.extend(HASHES.map(|(mechanism, ..)| Offered {
            mechanism,
            flags: 0,
            sizes: (0, 0),
        }));
    }
    all
}

/// What is meant by a mechanism and its parameters, for this key.
///
/// # Errors
/// `CKR_MECHANISM_INVALID`, `CKR_MECHANISM_PARAM_INVALID`, `CKR_KEY_TYPE_INCONSISTENT`.
pub fn wanted(
    key: &SigningKeyView,
    mechanism: CK_MECHANISM_TYPE,
    pss: Option<PssParameters>,
) -> Result<Wanted> {
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
    let salt_length = match (scheme, input) {
        (Scheme::RsaPss, Input::PssDigest(mechanism) | Input::Data(mechanism)) => {
            salt_length(key, mechanism, pss)?
        }
        _ => None,
    };
    Ok(Wanted { input, salt_length })
}

/// The salt's length, if it is not that of the hash.
fn salt_length(
    key: &SigningKeyView,
    mechanism: Mechanism,
    pss: Option<PssParameters>,
) -> Result<Option<u16>> {
    let invalid = Rv(ck::CKR_MECHANISM_PARAM_INVALID);
    let pss = pss.ok_or(invalid)?;
    let hash = mechanism.hash().ok_or(invalid)?;
    let same = HASHES
        .iter()
        .any(|(name, mgf, known)| *known == hash && pss.hash == *name && pss.mgf == *mgf);
    if !same {
        return Err(invalid);
    }
    let usual = hash.digest_len();
    let longest = (key.public_key.bits() - 1)
        .div_ceil(8)
        .checked_sub(usual + 2)
        .ok_or(invalid)?;
    // libp11 hands on what OpenSSL means by -1, -2 and -3: as the hash, the longest, the longest.
    let length = match pss.salt {
        CK_ULONG::MAX => usual,
        length if length >= CK_ULONG::MAX - 2 => longest,
        length => usize::try_from(length).map_err(|_| invalid)?,
    };
    if length > longest {
        return Err(invalid);
    }
    let length_for_server = u16::try_from(length).map_err(|_| invalid)?;
    Ok((length != usual).then_some(length_for_server))
}

/// The hash and the digest inside a DigestInfo.
pub fn open_digest_info(info: &[u8]) -> Option<(Hash, &[u8])> {
    [Hash::Sha256, Hash::Sha384, Hash::Sha512]
        .into_iter()
        .find_map(|hash| {
            let digest = info.strip_prefix(hash.digest_info().as_slice())?;
            (digest.len() == hash.digest_len()).then_some((hash, digest))
        })
}
