//! The server's identity key, which signs tasks for helpers and receipts. Helpers pin it at the first contact.

use std::{
    io::Write,
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::Path,
};

use countersign_protocol::{
    Timestamp,
    cvc::{Curve, EcSecretKey, Fingerprint, KeyError, PublicKey},
    dsse::{Envelope, EnvelopeSignature, Payload, Unsigned},
    task::{ServerIdentity, ServerTask, Task},
};
use zeroize::Zeroizing;

/// Name of the file in the data directory.
pub const FILE: &str = "identity.key";
const CURVE: Curve = Curve::Secp256r1;

#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    #[error("cannot read or write the identity key {path}: {why}")]
    Io { path: String, why: std::io::Error },
    #[error(
        "the identity key {0} is damaged: restore it from a backup, because custodians' helpers recognise this server by it"
    )]
    Damaged(String),
    #[error(
        "the identity key {path} can be read or changed by other users (mode {mode:03o}): run `chmod 600 {path}`, and consider \
             whether somebody may have copied the key"
    )]
    Exposed { path: String, mode: u32 },
    #[error("the operating system's random generator failed: {0}")]
    Random(String),
    #[error("signing with the identity key failed: {0}")]
    Sign(#[from] KeyError),
}

/// The identity key with the server's name and origin.
pub struct ServerKey {
    key: EcSecretKey,
    fingerprint: Fingerprint,
    identity: ServerIdentity,
}

impl ServerKey {
    /// Reads the key from the data directory, or generates it at the first start.
    pub fn load_or_create(folder: &Path, name: &str, origin: &str) -> Result<Self, IdentityError> {
        let path = folder.join(FILE);
        let shown = path.display().to_string();
        let io = |why| IdentityError::Io {
            path: shown.clone(),
            why,
        };
        let key = match std::fs::read_to_string(&path) {
            Ok(text) => {
                let text = Zeroizing::new(text);
                let mode = std::fs::metadata(&path).map_err(io)?.mode() & 0o777;
                if mode & 0o077 != 0 {
                    return Err(IdentityError::Exposed { path: shown, mode });
                }
                let scalar = Zeroizing::new(
                    hex::decode(text.trim()).map_err(|_| IdentityError::Damaged(shown.clone()))?,
                );
                EcSecretKey::from_bytes(CURVE, &scalar)
                    .map_err(|_| IdentityError::Damaged(shown.clone()))?
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let key = generate()?;
                let mut file = std::fs::OpenOptions::new()
                    .write(true)
                    .create_new(true)
                    .mode(0o600)
                    .open(&path)
                    .map_err(io)?;
                let text = Zeroizing::new(hex::encode(key.to_bytes().as_slice()));
                file.write_all(text.as_bytes()).map_err(io)?;
                file.sync_all().map_err(io)?;
                key
            }
            Err(error) => return Err(io(error)),
        };
        let public = key.public_key();
        Ok(Self {
            fingerprint: public.fingerprint(),
            identity: ServerIdentity {
                name: name.to_owned(),
                origin: origin.to_owned(),
                key: public,
            },
            key,
        })
    }

    /// Name, origin and public key, as helpers and receipts show them.
    pub fn identity(&self) -> &ServerIdentity {
        &self.identity
    }

    pub fn public_key(&self) -> &PublicKey {
        &self.identity.key
    }

    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// Signs a task for a helper. The task expires after this number of seconds.
    pub fn task(&self, task: Task, seconds: i64) -> Result<Envelope, IdentityError> {
        let expires_at = Timestamp::now() + jiff::SignedDuration::from_secs(seconds);
        self.seal(&ServerTask {
            server: self.identity.clone(),
            expires_at,
            task,
        })
    }

    /// Signs the SHA-256 of the pre-authentication encoding of a payload.
    pub fn sign(&self, digest: &[u8; 32]) -> Result<EnvelopeSignature, IdentityError> {
        let signature = self.key.sign_prehash(digest)?;
        Ok(EnvelopeSignature::new(&self.fingerprint, &signature))
    }

    /// Signs a payload, and returns it in a DSSE envelope.
    pub fn seal<P: Payload>(&self, payload: &P) -> Result<Envelope, IdentityError> {
        let unsigned = Unsigned::new(payload);
        let signature = self.key.sign_prehash(unsigned.digest().as_bytes())?;
        Ok(unsigned.seal(&self.fingerprint, &signature))
    }
}

fn generate() -> Result<EcSecretKey, IdentityError> {
    let mut scalar = Zeroizing::new([0; 32]);
    loop {
        getrandom::fill(scalar.as_mut())
            .map_err(|error| IdentityError::Random(error.to_string()))?;
        match EcSecretKey::from_bytes(CURVE, scalar.as_ref()) {
            Err(KeyError::BadScalar(_)) => {}
            other => return Ok(other?),
        }
    }
}
