//! One signature: the input is collected or hashed here, only a digest goes to the server.

use std::time::Instant;

use countersign_client::{
    Client, ClientError,
    words::{ending, printable, seconds},
};
use countersign_protocol::{
    activation::ActivationState,
    cvc::{EcSignature, PublicKey},
    file_digest::FileDigest,
    hsm::SigningKeyView,
    id::ActivationId,
    mechanism::{Hash, Mechanism, Scheme},
    problem::ProblemCode,
    signature::SignRequest,
};
use cryptoki_sys as ck;
use sha2::{Digest, Sha256, Sha384, Sha512};

use crate::{
    mechanism::{Input, Wanted, open_digest_info},
    report,
    rv::{Result, Rv},
};

/// Nothing that is signed without hashing is longer: a block of RSA 4096.
const LONGEST: usize = 512;

/// A hash under way.
pub enum Hasher {
    /// SHA-256.
    Sha256(Sha256),
    /// SHA-384.
    Sha384(Sha384),
    /// SHA-512.
    Sha512(Sha512),
}

impl Hasher {
    /// Nothing hashed yet.
    pub fn new(hash: Hash) -> Self {
        match hash {
            Hash::Sha256 => Self::Sha256(Sha256::new()),
            Hash::Sha384 => Self::Sha384(Sha384::new()),
            Hash::Sha512 => Self::Sha512(Sha512::new()),
        }
    }

    /// Takes a piece.
    pub fn update(&mut self, data: &[u8]) {
        match self {
            Self::Sha256(hasher) => hasher.update(data),
            Self::Sha384(hasher) => hasher.update(data),
            Self::Sha512(hasher) => hasher.update(data),
        }
    }

    /// The digest.
    pub fn finish(self) -> Vec<u8> {
        match self {
            Self::Sha256(hasher) => hasher.finalize().to_vec(),
            Self::Sha384(hasher) => hasher.finalize().to_vec(),
            Self::Sha512(hasher) => hasher.finalize().to_vec(),
        }
    }
}

/// What has come in so far.
enum Collected {
    Hash(Hasher),
    Bytes(Vec<u8>),
}

/// A signature under way in a session.
pub struct Signing {
    key: SigningKeyView,
    wanted: Wanted,
    collected: Collected,
    /// `C_SignUpdate` was called: only `C_SignFinal` may follow.
    in_parts: bool,
}

/// What a signature is made under.
pub enum Under<'a> {
    /// An open activation.
    Activation(&'a Client, &'a ActivationId),
    /// A recording.
    Recording(&'a crate::record::Recorder),
}

impl Signing {
    /// Begins.
    pub fn new(key: SigningKeyView, wanted: Wanted) -> Self {
        let collected = match wanted.input {
            Input::Data(mechanism) => mechanism
                .hash()
                .map_or(Collected::Bytes(Vec::new()), |hash| {
                    Collected::Hash(Hasher::new(hash))
                }),
            _ => Collected::Bytes(Vec::new()),
        };
        Self {
            key,
            wanted,
            collected,
            in_parts: false,
        }
    }

    /// The key.
    pub fn key(&self) -> &SigningKeyView {
        &self.key
    }

    /// Whether `C_SignUpdate` was called.
    pub fn in_parts(&self) -> bool {
        self.in_parts
    }

    /// Length of the signature in bytes.
    pub fn signature_len(&self) -> usize {
        match &self.key.public_key {
            PublicKey::Ec(key) => 2 * key.curve().field_len(),
            PublicKey::Rsa(key) => key.modulus().len(),
        }
    }

    /// Takes a piece of the input.
    ///
    /// # Errors
    /// `CKR_DATA_LEN_RANGE`.
    pub fn update(&mut self, data: &[u8], in_parts: bool) -> Result<()> {
        self.in_parts |= in_parts;
        match &mut self.collected {
            Collected::Hash(hasher) => hasher.update(data),
            Collected::Bytes(bytes) => {
                if bytes.len() + data.len() > LONGEST {
                    return Err(Rv(ck::CKR_DATA_LEN_RANGE));
                }
                bytes.extend_from_slice(data);
            }
        }
        Ok(())
    }

    /// Has the signature made.
    ///
    /// # Errors
    /// Input that cannot be signed; what the server said, told on standard error too.
    pub fn finish(self, under: &Under<'_>) -> Result<Vec<u8>> {
        let Self {
            key,
            wanted,
            collected,
            ..
        } = self;
        let input = match collected {
            Collected::Hash(hasher) => hasher.finish(),
            Collected::Bytes(bytes) => bytes,
        };
        let request = request(&key, wanted, input)?;
        match under {
            Under::Activation(client, activation) => {
                let signature = make(client, activation, &key, &request)?;
                plain(&key, &signature)
            }
            Under::Recording(recorder) => recorder.sign(&key, &request),
        }
    }
}

fn request(key: &SigningKeyView, wanted: Wanted, input: Vec<u8>) -> Result<SignRequest> {
    let (mechanism, digest) = match wanted.input {
        Input::Data(mechanism) => (mechanism, input),
        Input::PssDigest(mechanism) => {
            if mechanism.hash().map(Hash::digest_len) != Some(input.len()) {
                return Err(Rv(ck::CKR_DATA_LEN_RANGE));
            }
            (mechanism, input)
        }
        Input::EcdsaDigest => {
            let mechanism = match input.len() {
                32 => Mechanism::EcdsaSha256,
                48 => Mechanism::EcdsaSha384,
                64 => Mechanism::EcdsaSha512,
                length => {
                    report::line(&format!(
                        "a digest of {length} bytes is not signed: use SHA-256, SHA-384 or SHA-512"
                    ));
                    return Err(Rv(ck::CKR_DATA_LEN_RANGE));
                }
            };
            (mechanism, input)
        }
        Input::DigestInfo => match open_digest_info(&input) {
            Some((hash, digest)) => {
                let mechanism = Mechanism::new(Scheme::RsaPkcs1, hash);
                let mechanism = mechanism.ok_or(Rv(ck::CKR_MECHANISM_INVALID))?;
                (mechanism, digest.to_vec())
            }
            // Whoever may pad may have anything padded.
            None if key.mechanisms.contains(&Mechanism::RsaRaw) => {
                (Mechanism::RsaRaw, pad(key, &input)?)
            }
            None => {
                report::line(&format!(
                    "the key {} signs only DigestInfo of SHA-256, SHA-384 or SHA-512 by CKM_RSA_PKCS: choose one of \
                     these hashes, or let an admin allow raw RSA for the key",
                    printable(&key.label)
                ));
                return Err(Rv(ck::CKR_DATA_INVALID));
            }
        },
        Input::Block => {
            let length = Mechanism::RsaRaw.input_len(&key.public_key);
            let missing = length
                .checked_sub(input.len())
                .ok_or(Rv(ck::CKR_DATA_LEN_RANGE))?;
            (Mechanism::RsaRaw, [vec![0; missing], input].concat())
        }
    };
    Ok(SignRequest {
        key: Some(key.fingerprint),
        mechanism,
        digest,
        salt_length: wanted.salt_length,
    })
}

/// EMSA-PKCS1-v1_5 (RFC 8017, section 9.2) around what is no DigestInfo.
fn pad(key: &SigningKeyView, input: &[u8]) -> Result<Vec<u8>> {
    let length = Mechanism::RsaRaw.input_len(&key.public_key);
    let padding = length
        .checked_sub(input.len() + 3)
        .filter(|padding| *padding >= 8)
        .ok_or(Rv(ck::CKR_DATA_LEN_RANGE))?;
    Ok([&[0, 1], vec![0xFF; padding].as_slice(), &[0], input].concat())
}

fn make(
    client: &Client,
    activation: &ActivationId,
    key: &SigningKeyView,
    request: &SignRequest,
) -> Result<Vec<u8>> {
    let asked = Instant::now();
    let made = client.sign_once(activation, request);
    let made = made.map_err(|error| refused(client, activation, key, request, &error, asked))?;
    let signature = made.signature.0;
    if request.verify(&key.public_key, &signature).is_err() {
        report::line(&format!(
            "the server's signature does not verify with the key {}: it is not used; tell an admin",
            printable(&key.label)
        ));
        return Err(Rv(ck::CKR_DEVICE_ERROR));
    }
    Ok(signature)
}

fn refused(
    client: &Client,
    activation: &ActivationId,
    key: &SigningKeyView,
    request: &SignRequest,
    error: &ClientError,
    asked: Instant,
) -> Rv {
    let what = format!("nothing was signed with {}", printable(&key.label));
    let hash = request.mechanism.hash();
    let digest = hash.and_then(|hash| FileDigest::new(hash, &request.digest));
    match (error.code(), digest) {
        (Some(ProblemCode::ActivationEnded | ProblemCode::NotOpen), _) => {
            let over = client.activation(activation).ok().and_then(|view| {
                let ActivationState::Ended { reason, .. } = &view.state else {
                    return None;
                };
                let how = ending(&view, reason);
                Some(format!("activation {activation} is over: {how}"))
            });
            let why = over.unwrap_or_else(|| error.to_string());
            report::line(&format!("{what}: {why}"));
            Rv(ck::CKR_USER_NOT_LOGGED_IN)
        }
        // Of a hash function that the list does not have, the digest is not on it either.
        (Some(ProblemCode::NotInManifest | ProblemCode::MechanismRefused), Some(digest)) => {
            report::line(&format!(
                "{what}: the digest {digest} ({}) was not recorded or listed, so custodians did not approve it under \
                 activation {activation}. Something in the input changed since: a time stamp (set SOURCE_DATE_EPOCH), \
                 a path, another version of a file",
                crate::record::origin()
            ));
            Rv(ck::CKR_DATA_INVALID)
        }
        (Some(ProblemCode::MechanismRefused), None) => {
            report::line(&format!("{what}: {error}"));
            Rv(ck::CKR_MECHANISM_INVALID)
        }
        _ if error.is_unreachable() => {
            let limit = client.timeouts().signature;
            let why = if asked.elapsed() < limit {
                error.to_string()
            } else {
                format!(
                    "the {} of `sign_seconds` (COUNTERSIGN_SIGN_SECONDS) are over",
                    seconds(limit)
                )
            };
            report::line(&format!(
                "no signature with {} has come back: {why}. It may have been made: the same again under activation \
                 {activation} gets it, and counts once",
                printable(&key.label)
            ));
            Rv::of_client(error)
        }
        _ => {
            report::line(&format!("{what}: {error}"));
            Rv::of_client(error)
        }
    }
}

/// The signature as PKCS#11 has it: r and s of equal length for ECDSA.
pub fn plain(key: &SigningKeyView, signature: &[u8]) -> Result<Vec<u8>> {
    match &key.public_key {
        PublicKey::Rsa(_) => Ok(signature.to_vec()),
        PublicKey::Ec(key) => EcSignature::from_der(signature, key.curve())
            .map(|signature| signature.to_plain())
            .map_err(|_| Rv(ck::CKR_DEVICE_ERROR)),
    }
}
