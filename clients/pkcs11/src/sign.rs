//! A signature operation. The module collects or hashes the input and sends only a digest to the server.

use std::time::Instant;

use countersign_client::{
    Client, ClientError,
    words::{end_sentence, printable},
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
    text::any_of,
};
use cryptoki_sys as ck;
use sha2::{Digest, Sha256, Sha384, Sha512};

use crate::{
    mechanism::{Input, SignParameters, parse_digest_info},
    report,
    rv::{Result, Rv},
};

/// Limit of the input that is signed without hashing, in bytes. The longest is a block for RSA 4096.
const MAX_INPUT_LENGTH: usize = 512;

pub enum Hasher {
    Sha256(Sha256),
    Sha384(Sha384),
    Sha512(Sha512),
}

impl Hasher {
    pub fn new(hash: Hash) -> Self {
        match hash {
            Hash::Sha256 => Self::Sha256(Sha256::new()),
            Hash::Sha384 => Self::Sha384(Sha384::new()),
            Hash::Sha512 => Self::Sha512(Sha512::new()),
        }
    }

    pub fn update(&mut self, data: &[u8]) {
        match self {
            Self::Sha256(hasher) => hasher.update(data),
            Self::Sha384(hasher) => hasher.update(data),
            Self::Sha512(hasher) => hasher.update(data),
        }
    }

    pub fn finish(self) -> Vec<u8> {
        match self {
            Self::Sha256(hasher) => hasher.finalize().to_vec(),
            Self::Sha384(hasher) => hasher.finalize().to_vec(),
            Self::Sha512(hasher) => hasher.finalize().to_vec(),
        }
    }
}

/// The input so far, hashed or as it is.
enum Collected {
    Hash(Hasher),
    Bytes(Vec<u8>),
}

/// The active signature operation of a session.
pub struct Signing {
    key: SigningKeyView,
    parameters: SignParameters,
    collected: Collected,
    /// Whether `C_SignUpdate` was called, so that only `C_SignFinal` may follow.
    is_multipart: bool,
}

/// Where the request for a signature goes.
pub enum Destination<'a> {
    /// To the server, under an open activation.
    Activation(&'a Client, &'a ActivationId),
    Recorder(&'a crate::record::Recorder),
}

impl Signing {
    pub fn new(key: SigningKeyView, parameters: SignParameters) -> Self {
        let collected = match parameters.input {
            Input::Data(mechanism) => mechanism
                .hash()
                .map_or(Collected::Bytes(Vec::new()), |hash| {
                    Collected::Hash(Hasher::new(hash))
                }),
            _ => Collected::Bytes(Vec::new()),
        };
        Self {
            key,
            parameters,
            collected,
            is_multipart: false,
        }
    }

    pub fn key(&self) -> &SigningKeyView {
        &self.key
    }

    /// Whether `C_SignUpdate` was called.
    pub fn is_multipart(&self) -> bool {
        self.is_multipart
    }

    /// The length of the signature in bytes.
    pub fn signature_len(&self) -> usize {
        match &self.key.public_key {
            PublicKey::Ec(key) => 2 * key.curve().field_len(),
            PublicKey::Rsa(key) => key.modulus().len(),
        }
    }

    /// Adds input. `is_multipart` tells whether it comes from `C_SignUpdate`.
    ///
    /// # Errors
    /// The input is too long for a mechanism without hashing.
    pub fn update(&mut self, data: &[u8], is_multipart: bool) -> Result<()> {
        self.is_multipart |= is_multipart;
        match &mut self.collected {
            Collected::Hash(hasher) => hasher.update(data),
            Collected::Bytes(bytes) => {
                if bytes.len() + data.len() > MAX_INPUT_LENGTH {
                    return Err(Rv(ck::CKR_DATA_LEN_RANGE));
                }
                bytes.extend_from_slice(data);
            }
        }
        Ok(())
    }

    /// Requests the signature.
    ///
    /// # Errors
    /// The input cannot be signed with this mechanism, or the server returned an error, which is reported on standard
    /// error.
    pub fn finish(self, destination: &Destination<'_>) -> Result<Vec<u8>> {
        let Self {
            key,
            parameters,
            collected,
            ..
        } = self;
        let input = match collected {
            Collected::Hash(hasher) => hasher.finish(),
            Collected::Bytes(bytes) => bytes,
        };
        let request = request(&key, parameters, input)?;
        match destination {
            Destination::Activation(client, activation) => {
                let signature = request_signature(client, activation, &key, &request)?;
                to_pkcs11(&key, &signature)
            }
            Destination::Recorder(recorder) => recorder.sign(&key, &request),
        }
    }
}

fn request(
    key: &SigningKeyView,
    parameters: SignParameters,
    input: Vec<u8>,
) -> Result<SignRequest> {
    let (mechanism, digest) = match parameters.input {
        Input::Data(mechanism) => (mechanism, input),
        Input::PssDigest(mechanism) => {
            if mechanism.hash().map(Hash::digest_len) != Some(input.len()) {
                return Err(Rv(ck::CKR_DATA_LEN_RANGE));
            }
            (mechanism, input)
        }
        Input::EcdsaDigest => {
            let possible = Mechanism::of_key(&key.public_key);
            let fits = |mechanism: &&Mechanism| {
                mechanism.hash().map(Hash::digest_len) == Some(input.len())
            };
            let Some(mechanism) = possible.iter().find(fits) else {
                let possible: Vec<_> = possible.iter().map(ToString::to_string).collect();
                report::line(&format!(
                    "key {} cannot sign a digest of {} bytes: use {}",
                    printable(&key.label),
                    input.len(),
                    any_of(&possible)
                ));
                return Err(Rv(ck::CKR_DATA_LEN_RANGE));
            };
            (*mechanism, input)
        }
        Input::DigestInfo => match parse_digest_info(&input) {
            Some((hash, digest)) => {
                let mechanism = Mechanism::new(Scheme::RsaPkcs1, hash);
                let mechanism = mechanism.ok_or(Rv(ck::CKR_MECHANISM_INVALID))?;
                (mechanism, digest.to_vec())
            }
            // With raw RSA allowed, input that is not a DigestInfo is padded and signed too.
            None if key.mechanisms.contains(&Mechanism::RsaRaw) => {
                (Mechanism::RsaRaw, pad(key, &input)?)
            }
            None => {
                report::line(&format!(
                    "key {} signs only a DigestInfo of SHA-256, SHA-384 or SHA-512 with CKM_RSA_PKCS: use one of these \
                     hash functions, or ask an admin to allow raw RSA for the key",
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
        salt_length: parameters.salt_length,
    })
}

/// Applies the padding of EMSA-PKCS1-v1_5 (RFC 8017, section 9.2) to input that is not a DigestInfo.
fn pad(key: &SigningKeyView, input: &[u8]) -> Result<Vec<u8>> {
    let length = Mechanism::RsaRaw.input_len(&key.public_key);
    let padding = length
        .checked_sub(input.len() + 3)
        .filter(|padding| *padding >= 8)
        .ok_or(Rv(ck::CKR_DATA_LEN_RANGE))?;
    Ok([&[0, 1], vec![0xFF; padding].as_slice(), &[0], input].concat())
}

fn request_signature(
    client: &Client,
    activation: &ActivationId,
    key: &SigningKeyView,
    request: &SignRequest,
) -> Result<Vec<u8>> {
    let start = Instant::now();
    let made = client.sign_once(activation, request);
    let made =
        made.map_err(|error| report_failure(client, activation, key, request, &error, start))?;
    let signature = made.signature.0;
    if request.verify(&key.public_key, &signature).is_err() {
        report::line(&format!(
            "the signature that the server returned does not verify with key {} and is not used: report this to an \
             admin",
            printable(&key.label)
        ));
        return Err(Rv(ck::CKR_DEVICE_ERROR));
    }
    Ok(signature)
}

/// Reports why there is no signature, and returns the matching return value.
fn report_failure(
    client: &Client,
    activation: &ActivationId,
    key: &SigningKeyView,
    request: &SignRequest,
    error: &ClientError,
    start: Instant,
) -> Rv {
    let what = format!("nothing was signed with key {}", printable(&key.label));
    let hash = request.mechanism.hash();
    let digest = hash.and_then(|hash| FileDigest::new(hash, &request.digest));
    match (error.code(), digest) {
        (Some(ProblemCode::ActivationEnded | ProblemCode::NotOpen), _) => {
            let end = client.activation(activation).ok().and_then(|view| {
                let ActivationState::Ended { reason, .. } = &view.state else {
                    return None;
                };
                Some(end_sentence(&view, reason))
            });
            let why = end.unwrap_or_else(|| error.to_string());
            report::line(&format!("{what}, because {why}"));
            Rv(ck::CKR_USER_NOT_LOGGED_IN)
        }
        // The server rejects the mechanism if the manifest lists no digest of its hash function at all.
        (Some(ProblemCode::NotInManifest | ProblemCode::MechanismRejected), Some(digest)) => {
            report::line(&format!(
                "{what}, because the digest {digest} ({}) was not recorded or listed and custodians did not approve it under \
                 activation {activation}. The input has changed since: check time stamps (set SOURCE_DATE_EPOCH), paths and \
                 versions of files",
                crate::record::program_and_files()
            ));
            Rv(ck::CKR_DATA_INVALID)
        }
        (Some(ProblemCode::MechanismRejected), None) => {
            report::line(&format!("{what}: {error}"));
            Rv(ck::CKR_MECHANISM_INVALID)
        }
        _ if error.is_unreachable() => {
            let limit = client.timeouts().signature;
            let why = if start.elapsed() < limit {
                error.to_string()
            } else {
                format!("no response within {} s (sign_seconds)", limit.as_secs())
            };
            report::line(&format!(
                "no signature with key {} was received: {why}. The HSM may have made it: retrying under activation \
                 {activation} returns the same signature and counts only once",
                printable(&key.label)
            ));
            Rv::of_client(error)
        }
        // The outcome may be unknown here, so the message does not claim that nothing was signed.
        _ => {
            report::line(&format!(
                "no signature with key {} was received: {error}",
                printable(&key.label)
            ));
            Rv::of_client(error)
        }
    }
}

/// Converts the signature to the format of PKCS#11, which is r and s of equal length for ECDSA.
pub fn to_pkcs11(key: &SigningKeyView, signature: &[u8]) -> Result<Vec<u8>> {
    match &key.public_key {
        PublicKey::Rsa(_) => Ok(signature.to_vec()),
        PublicKey::Ec(key) => EcSignature::from_der(signature, key.curve())
            .map(|signature| signature.to_plain())
            .map_err(|_| Rv(ck::CKR_DEVICE_ERROR)),
    }
}
