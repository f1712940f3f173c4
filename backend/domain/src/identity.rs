//! The server's identity key: signs tasks for helpers, and receipts. Helpers pin it.

use std::{io::Write, os::unix::fs::OpenOptionsExt, path::Path};

use countersign_protocol::{
    Timestamp,
    cvc::{Curve, EcSecretKey, Fingerprint, KeyError, PublicKey},
    dsse::{Envelope, Payload, Unsigned},
    task::{ServerIdentity, ServerTask, Task},
};
use zeroize::Zeroizing;

const FILE: &str = "identity.key";
const CURVE: Curve = Curve::Secp256r1;

/// The identity key is missing or damaged.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// File.
    #[error("cannot read or write the identity key {path}: {why}")]
    Io {
        /// Which.
        path: String,
        /// Why.
        why: std::io::Error,
    },
    /// Contents.
    #[error(
        "the identity key {0} is damaged: restore it from a backup; custodians' helpers know this server by it"
    )]
    Damaged(String),
    /// Random numbers.
    #[error("no random numbers: {0}")]
    Random(String),
    /// Signing.
    #[error("the identity key does not sign: {0}")]
    Sign(#[from] KeyError),
}

/// The identity key with the server's name and origin.
pub struct ServerKey {
    key: EcSecretKey,
    fingerprint: Fingerprint,
    identity: ServerIdentity,
}

impl ServerKey {
    /// Reads the key, or makes it at the first start.
    ///
    /// # Errors
    /// [`IdentityError`].
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

    /// Name, origin and public key.
    pub fn identity(&self) -> &ServerIdentity {
        &self.identity
    }

    /// The public key.
    pub fn public_key(&self) -> &PublicKey {
        &self.identity.key
    }

    /// Its fingerprint.
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// A task for a helper, good for so many seconds.
    ///
    /// # Errors
    /// [`IdentityError::Sign`].
    pub fn task(&self, task: Task, seconds: i64) -> Result<Envelope, IdentityError> {
        let expires_at = Timestamp::now() + jiff::SignedDuration::from_secs(seconds);
        self.seal(&ServerTask {
            server: self.identity.clone(),
            expires_at,
            task,
        })
    }

    /// Signs a payload.
    ///
    /// # Errors
    /// [`IdentityError::Sign`].
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
