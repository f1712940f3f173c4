//! Wrapped keys: keys that are encrypted and authenticated with the DKEK of their domain.
//!
//! `KCV(8) | type(1) | default algorithm | allowed algorithms | access conditions | key OID | AES-256-CBC(IV 0)[random(8) |
//! size(2) | numbers | padding] | CMAC-AES-256`, where a length of two bytes precedes every variable part.

use std::ops::RangeInclusive;

use aes::cipher::{
    BlockModeDecrypt, BlockModeEncrypt, KeyInit, KeyIvInit,
    block_padding::{Iso7816, NoPadding},
};
use cmac::{Cmac, Mac};
use countersign_card::apdu::StatusWord;
use countersign_cvc::{Curve, DomainParameters, EcSecretKey};
use rsa::{
    BoxedUint, PrivateKey,
    traits::{PrivateKeyParts, PublicKeyParts},
};
use zeroize::Zeroizing;

use crate::{
    aes_key::AesKey,
    dkek::Dkek,
    key::{Key, Secret},
};

/// Type with private exponent, modulus, public exponent.
const RSA: u8 = 5;
/// Type with the numbers of the Chinese remainder theorem: dp, dq, p, q⁻¹ mod p, q, modulus, public exponent.
const RSA_CRT: u8 = 6;
/// Type with a, b, p, n, base point, scalar, public point.
const EC: u8 = 12;
/// Type with an AES key, whose size is in bytes.
const AES: u8 = 15;
const TA_RSA_SHA_256: [u8; 10] = [0x04, 0x00, 0x7F, 0x00, 0x07, 0x02, 0x02, 0x02, 0x01, 0x02];
const TA_ECDSA_SHA_256: [u8; 10] = [0x04, 0x00, 0x7F, 0x00, 0x07, 0x02, 0x02, 0x02, 0x02, 0x03];
/// Object identifier of AES, 2.16.840.1.101.3.4.1.
const AES_ALGORITHM: [u8; 8] = [0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x01];
// Sizes of accepted moduli and public exponents.
const RSA_BITS: RangeInclusive<u32> = 1024..=4096;
const RSA_EXPONENT_BITS: RangeInclusive<u32> = 17..=32;
const KCV: usize = 8;
const NONCE: usize = 8;
const BLOCK: usize = 16;
const IV: [u8; BLOCK] = [0; BLOCK];

/// A key with its allowed algorithms.
pub struct WrappedKey {
    pub secret: Key,
    /// Allowed algorithms; `None` for all.
    pub algorithms: Option<Vec<u8>>,
}

impl WrappedKey {
    /// Encrypts and authenticates the key.
    pub fn seal(&self, dkek: &Dkek, nonce: [u8; NONCE]) -> Result<Vec<u8>, StatusWord> {
        let mut plain = Zeroizing::new(nonce.to_vec());
        let (kind, default_algorithm) = match &self.secret {
            Key::Pair(Secret::Ec(key)) => (EC, write_ec(&mut plain, key)?),
            Key::Pair(Secret::Rsa(key)) => (RSA, write_rsa(&mut plain, key)?),
            Key::Aes(key) => (AES, write_aes(&mut plain, key)?),
        };
        let mut out = dkek.kcv().to_vec();
        out.push(kind);
        write(&mut out, default_algorithm)?;
        write(&mut out, self.algorithms.as_deref().unwrap_or_default())?;
        // Access conditions and key OID are not used.
        write(&mut out, &[])?;
        write(&mut out, &[])?;
        let key = (*dkek.encryption_key()).into();
        let cipher = cbc::Encryptor::<aes::Aes256>::new(&key, &IV.into())
            .encrypt_padded_vec::<Iso7816>(&plain);
        out.extend_from_slice(&cipher);
        out.extend_from_slice(&mac(dkek, &out).finalize().into_bytes());
        Ok(out)
    }

    /// Verifies and decrypts a key.
    pub fn open(dkek: &Dkek, blob: &[u8]) -> Result<Self, StatusWord> {
        let (covered, checksum) = blob
            .split_last_chunk::<BLOCK>()
            .ok_or(StatusWord::WRONG_DATA)?;
        mac(dkek, covered)
            .verify(&(*checksum).into())
            .map_err(|_| StatusWord::WRONG_DATA)?;
        let mut rest = covered
            .strip_prefix(&dkek.kcv())
            .ok_or(StatusWord::WRONG_DATA)?;
        let (kind, header) = rest.split_first().ok_or(StatusWord::WRONG_DATA)?;
        rest = header;
        let _default_algorithm = read(&mut rest)?;
        let algorithms = read(&mut rest)?;
        let _access_conditions = read(&mut rest)?;
        let _key_oid = read(&mut rest)?;
        let key = (*dkek.encryption_key()).into();
        // The padding is not removed: the numbers have their own lengths, and some implementations do not pad.
        let plain = cbc::Decryptor::<aes::Aes256>::new(&key, &IV.into())
            .decrypt_padded_vec::<NoPadding>(rest)
            .map(Zeroizing::new)
            .map_err(|_| StatusWord::WRONG_DATA)?;
        let mut numbers = plain.get(NONCE + 2..).ok_or(StatusWord::WRONG_DATA)?;
        let secret = match *kind {
            EC => read_ec(&mut numbers)?,
            RSA => read_rsa(&mut numbers)?,
            RSA_CRT => read_rsa_crt(&mut numbers)?,
            AES => read_aes(&plain)?,
            _ => return Err(StatusWord::WRONG_DATA),
        };
        Ok(Self {
            secret,
            algorithms: (!algorithms.is_empty()).then(|| algorithms.to_vec()),
        })
    }
}

/// Key check value of the DKEK with which a key was wrapped.
pub fn kcv(blob: &[u8]) -> Option<&[u8]> {
    blob.get(..KCV)
}

fn mac(dkek: &Dkek, message: &[u8]) -> Cmac<aes::Aes256> {
    let mut mac = <Cmac<aes::Aes256> as KeyInit>::new(&(*dkek.mac_key()).into());
    mac.update(message);
    mac
}

/// Appends a part, preceded by its length.
fn write(out: &mut Vec<u8>, part: &[u8]) -> Result<(), StatusWord> {
    let length = u16::try_from(part.len()).map_err(|_| StatusWord::ERROR)?;
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(part);
    Ok(())
}

/// Removes the first part with its length from `rest` and returns it.
fn read<'a>(rest: &mut &'a [u8]) -> Result<&'a [u8], StatusWord> {
    let (length, following) = rest
        .split_first_chunk::<2>()
        .ok_or(StatusWord::WRONG_DATA)?;
    let (part, following) = following
        .split_at_checked(usize::from(u16::from_be_bytes(*length)))
        .ok_or(StatusWord::WRONG_DATA)?;
    *rest = following;
    Ok(part)
}

fn size(bits: usize) -> Result<[u8; 2], StatusWord> {
    u16::try_from(bits)
        .map(u16::to_be_bytes)
        .map_err(|_| StatusWord::ERROR)
}

fn write_ec(out: &mut Vec<u8>, key: &EcSecretKey) -> Result<&'static [u8], StatusWord> {
    let domain = key.curve().domain_parameters();
    out.extend_from_slice(&size(8 * domain.p.len())?);
    let scalar = key.to_bytes();
    for number in [
        domain.a,
        domain.b,
        domain.p,
        domain.n,
        domain.g,
        &scalar,
        key.ec_public_key().point(),
    ] {
        write(out, number)?;
    }
    Ok(&TA_ECDSA_SHA_256)
}

fn read_ec(rest: &mut &[u8]) -> Result<Key, StatusWord> {
    let mut number = || read(rest);
    let (a, b, p, n, g) = (number()?, number()?, number()?, number()?, number()?);
    let (scalar, point) = (number()?, number()?);
    // Other implementations omit leading zeros.
    let a = full_length(a, p.len());
    let b = full_length(b, p.len());
    let parameters = DomainParameters {
        p,
        a: &a,
        b: &b,
        g,
        n,
        h: &[1],
    };
    let curve = Curve::from_parameters(&parameters).ok_or(StatusWord::NOT_SUPPORTED)?;
    let key = EcSecretKey::from_bytes(curve, &full_length(scalar, curve.field_len()))
        .map_err(|_| StatusWord::WRONG_DATA)?;
    if key.ec_public_key().point() == point {
        Ok(Key::Pair(Secret::Ec(key)))
    } else {
        Err(StatusWord::WRONG_DATA)
    }
}

fn full_length(number: &[u8], length: usize) -> Zeroizing<Vec<u8>> {
    let mut out = Zeroizing::new(vec![0; length.saturating_sub(number.len())]);
    out.extend_from_slice(number);
    out
}

fn write_rsa(out: &mut Vec<u8>, key: &PrivateKey) -> Result<&'static [u8], StatusWord> {
    out.extend_from_slice(&size(8 * key.size())?);
    let exponent = Zeroizing::new(key.d().to_be_bytes_trimmed_vartime());
    for number in [&exponent, &key.n_bytes(), &key.e_bytes()] {
        write(out, number)?;
    }
    Ok(&TA_RSA_SHA_256)
}

/// Checks the sizes of modulus and public exponent, because the library does not support arbitrary numbers.
fn check_rsa(modulus: &BoxedUint, exponent: &BoxedUint) -> Result<(), StatusWord> {
    if RSA_BITS.contains(&modulus.bit_width()) && RSA_EXPONENT_BITS.contains(&exponent.bit_width())
    {
        Ok(())
    } else {
        Err(StatusWord::WRONG_DATA)
    }
}

fn read_rsa(rest: &mut &[u8]) -> Result<Key, StatusWord> {
    let mut number = || read(rest).map(BoxedUint::from_be_slice_vartime);
    let (d, n, e) = (number()?, number()?, number()?);
    check_rsa(&n, &e)?;
    // FIPS 186-5, section A.1.1: the private exponent must not be less than the square root of the modulus.
    if d.bit_width() <= n.bit_width() / 2 || d >= n {
        return Err(StatusWord::WRONG_DATA);
    }
    let key = PrivateKey::from_components(n, e, d, Vec::new());
    let key = key.map_err(|_| StatusWord::WRONG_DATA)?;
    Ok(Key::Pair(Secret::Rsa(Box::new(key))))
}

fn read_rsa_crt(rest: &mut &[u8]) -> Result<Key, StatusWord> {
    let mut number = || read(rest).map(BoxedUint::from_be_slice_vartime);
    let (_dp, _dq, p) = (number()?, number()?, number()?);
    let (_coefficient, q, n, e) = (number()?, number()?, number()?, number()?);
    check_rsa(&n, &e)?;
    let half = n.bit_width().div_ceil(2);
    if p == q || p.bit_width() != half || q.bit_width() != half {
        return Err(StatusWord::WRONG_DATA);
    }
    match PrivateKey::from_p_q(p, q, e) {
        Ok(key) if *key.n().as_ref() == n => Ok(Key::Pair(Secret::Rsa(Box::new(key)))),
        _ => Err(StatusWord::WRONG_DATA),
    }
}

fn write_aes(out: &mut Vec<u8>, key: &AesKey) -> Result<&'static [u8], StatusWord> {
    // The length of the key serves as the size field.
    write(out, key.as_bytes())?;
    Ok(&AES_ALGORITHM)
}

fn read_aes(plain: &[u8]) -> Result<Key, StatusWord> {
    let mut rest = plain.get(NONCE..).ok_or(StatusWord::WRONG_DATA)?;
    AesKey::new(read(&mut rest)?).map(Key::Aes)
}

#[cfg(test)]
mod tests;
