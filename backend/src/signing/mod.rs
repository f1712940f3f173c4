//! Signing under a lease: reserve, one command to the card, verify, record, answer.
//!
//! No transaction and no lock is held while the card works; several requests overlap, and are written together.

mod input;
mod pss;
mod receipt;
pub mod writer;

pub use receipt::{receipt, signatures};

use std::sync::Arc;

use countersign_card::CardError;
use countersign_protocol::{
    Timestamp,
    activation::{ActivationState, ActivationTerms, EndReason},
    audit::{Actor, AuditEvent},
    cvc::{HashAlgorithm, PublicKey},
    digest::Sha256Digest,
    encoding::Base64,
    id::{ActivationId, SignatureId},
    manifest::readable,
    mechanism::Mechanism,
    purpose::{Purpose, Scope},
    signature::{SignRequest, SignatureView},
};

use self::{input::NoInput, writer::Change};
use crate::{
    activation::{self, ActivationError, Lease, LeaseKey, Requester},
    app::App,
    hsm::HsmError,
    store::{self, StoreError, signatures::StoredSignature},
};

/// Longest idempotency key, in bytes.
const LONGEST_KEY: usize = 200;
/// Longest that the end of a lease takes: a card that is slow to reset.
const ENDING: std::time::Duration = std::time::Duration::from_secs(20);

/// Why there is no signature.
#[derive(Debug, thiserror::Error)]
pub enum SigningError {
    /// The HSM.
    #[error(transparent)]
    Hsm(#[from] HsmError),
    /// The activation.
    #[error(transparent)]
    Activation(#[from] ActivationError),
    /// Database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No quorum yet.
    #[error("the HSM is not open yet for activation {0}: custodians still have to authenticate")]
    NotOpen(ActivationId),
    /// Over.
    #[error("the activation is over: {0}. Ask for a new one")]
    Ended(EndReason),
    /// Not approved.
    #[error(
        "the digest {0} is not in the manifest that the custodians approved: ask for a new activation with this file"
    )]
    NotInManifest(String),
    /// Mechanism.
    #[error("{0}")]
    Mechanism(String),
    /// Other body.
    #[error(
        "this idempotency key was used for another digest or mechanism: use a new one for every signature"
    )]
    IdempotencyMismatch,
    /// Input.
    #[error("{0}")]
    Invalid(String),
    /// Crashed in between.
    #[error(
        "the server or the HSM stopped while this signature was made, and nobody knows whether it was: it counts as made; \
         ask again with a new idempotency key"
    )]
    UnknownOutcome,
    /// The card's signature is wrong.
    #[error(
        "the HSM made a signature that does not verify: it may be damaged; do not use it before it was checked"
    )]
    BadSignature,
}

impl From<sqlx::Error> for SigningError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

/// Signs, or answers from the record if this idempotency key was used before.
///
/// # Errors
/// [`SigningError`].
pub async fn sign(
    app: &App,
    requester: &Requester<'_>,
    id: &ActivationId,
    idempotency_key: &str,
    request: &SignRequest,
) -> Result<SignatureView, SigningError> {
    if !readable(idempotency_key) || idempotency_key.len() > LONGEST_KEY {
        return Err(SigningError::Invalid(format!(
            "an idempotency key has 1 to {LONGEST_KEY} readable characters"
        )));
    }
    let Some(lease) = app.activations.lease(id) else {
        return without_lease(app, requester, id, idempotency_key, request).await;
    };
    allowed(requester, &lease.terms)?;
    // What is under way is waited for, and then answered from the record.
    let pass = loop {
        match lease.begin(idempotency_key) {
            Ok(pass) => break pass,
            Err(mut under_way) => {
                let _ = under_way.changed().await;
            }
        }
    };
    if lease.has_reserved(idempotency_key) {
        let mut connection = app.store.read().await?;
        let before = store::signatures::by_key(&mut connection, id, idempotency_key).await?;
        if let Some(stored) = before {
            return answer(&lease.terms, stored, request);
        }
    }
    let job = Job {
        app: app.clone(),
        lease: lease.clone(),
        actor: requester.actor.clone(),
        idempotency_key: idempotency_key.to_owned(),
        request: request.clone(),
    };
    // A client that hangs up must not leave a signature unrecorded.
    let stored = tokio::spawn(async move {
        let result = job.run().await;
        drop(pass);
        result
    })
    .await
    .map_err(|_| SigningError::UnknownOutcome)??;
    answer(&lease.terms, stored, request)
}

/// Before the lease and after it only the record can answer.
async fn without_lease(
    app: &App,
    requester: &Requester<'_>,
    id: &ActivationId,
    idempotency_key: &str,
    request: &SignRequest,
) -> Result<SignatureView, SigningError> {
    let mut connection = app.store.read().await?;
    let activation = activation::load(&mut connection, id).await?;
    allowed(requester, &activation.terms)?;
    match store::signatures::by_key(&mut connection, id, idempotency_key).await? {
        Some(stored) => answer(&activation.terms, stored, request),
        None => Err(match activation.state {
            ActivationState::Ended { reason, .. } => SigningError::Ended(reason),
            ActivationState::Queued
            | ActivationState::Collecting
            | ActivationState::Open { .. } => SigningError::NotOpen(id.clone()),
        }),
    }
}

/// Whether this requester signs under an activation with these terms.
///
/// # Errors
/// [`ActivationError::NotAllowed`].
pub fn allowed(requester: &Requester<'_>, terms: &ActivationTerms) -> Result<(), SigningError> {
    let not_allowed = |why: &str| Err(ActivationError::NotAllowed(why.to_owned()).into());
    if terms.requester.id != requester.person.id || !requester.may_sign {
        return not_allowed("only its requester signs under an activation");
    }
    match &terms.purpose {
        Purpose::Sign { keys, .. }
            if keys
                .iter()
                .all(|key| requester.may_use(&key.label, &key.fingerprint.to_hex())) =>
        {
            Ok(())
        }
        Purpose::Sign { .. } => not_allowed("this token is not for every key of that activation"),
        Purpose::GenerateKey { .. } => {
            not_allowed("this activation is for generating a key, not for signing")
        }
    }
}

struct Job {
    app: App,
    lease: Arc<Lease>,
    actor: Actor,
    idempotency_key: String,
    request: SignRequest,
}

impl Job {
    async fn run(self) -> Result<StoredSignature, SigningError> {
        let Self {
            app,
            lease,
            actor,
            idempotency_key,
            request,
        } = self;
        let id = &lease.terms.id;
        let Some(busy) = lease.enter().await else {
            return Err(ended(&app, &lease).await?);
        };
        let key = key(&lease, &request)?;
        let (algorithm, input) = input::card_input(&request, &key.public_key)
            .map_err(|why| refused_input(why, &request, key))?;
        let length = request.mechanism.input_len(&key.public_key);
        if request.digest.len() != length {
            return Err(SigningError::Invalid(format!(
                "{} takes {length} bytes, these are {}",
                request.mechanism,
                request.digest.len()
            )));
        }
        covered(&app, &lease, key, &request).await?;
        let mut stored = StoredSignature {
            id: SignatureId::new(uuid::Uuid::now_v7().to_string()),
            key: key.fingerprint,
            mechanism: request.mechanism,
            digest: request.digest.clone(),
            salt_length: request.salt_length,
            made: None,
        };
        if !lease.reserve(&idempotency_key) {
            return Err(SigningError::Ended(EndReason::CountUsed));
        }
        let reserved = app.signatures.write(Change::Reserve {
            activation: id.clone(),
            idempotency_key,
            signature: stored.clone(),
        });
        if let Err(error) = reserved.await {
            lease.release();
            return Err(error.into());
        }
        let signature = match lease
            .hsm
            .sign(&lease.handle, key.reference, algorithm, input)
            .await
        {
            Ok(signature) => signature,
            Err(error) => {
                let refused = match &error {
                    HsmError::NotOpen => true,
                    HsmError::Card(error) => {
                        !error.is_connection_lost() && !matches!(error, CardError::Malformed { .. })
                    }
                    _ => false,
                };
                if !refused {
                    tracing::error!("the outcome of signature {} is unknown: {error}", stored.id);
                    return Err(error.into());
                }
                app.signatures
                    .write(Change::Release(stored.id.clone()))
                    .await?;
                lease.release();
                drop(busy);
                return Err(match error {
                    HsmError::NotOpen => ended(&app, &lease).await?,
                    other => other.into(),
                });
            }
        };
        request
            .verify(&key.public_key, &signature)
            .map_err(|_| SigningError::BadSignature)?;
        // As exact as the store is, so that a retry gets the same answer.
        let now =
            Timestamp::from_millisecond(Timestamp::now().as_millisecond()).unwrap_or_default();
        let event = AuditEvent::Signed {
            signature: stored.id.clone(),
            activation: id.clone(),
            key: key.fingerprint,
            mechanism: request.mechanism,
            digest: hex::encode(&request.digest),
            salt_length: request.salt_length,
        };
        app.signatures
            .write(Change::Record {
                id: stored.id.clone(),
                signature: signature.clone(),
                at: now,
                actor: Box::new(actor),
                event: Box::new(event),
            })
            .await?;
        stored.made = Some((Base64(signature), now));
        let end = lease.note(&request.digest);
        drop(busy);
        app.activations
            .signed(lease.hsm.id(), id.clone(), end)
            .await?;
        Ok(stored)
    }
}

/// The key that is to sign.
fn key<'a>(lease: &'a Lease, request: &SignRequest) -> Result<&'a LeaseKey, SigningError> {
    lease.key(request.key.as_ref()).ok_or_else(|| {
        SigningError::Invalid(match request.key {
            Some(key) => format!(
                "the key {} was not approved for this activation: ask for one with it",
                key.short()
            ),
            None => "this activation has several keys: say which one is to sign".into(),
        })
    })
}

async fn covered(
    app: &App,
    lease: &Lease,
    key: &LeaseKey,
    request: &SignRequest,
) -> Result<(), SigningError> {
    use activation::NotCovered;
    match lease.covers(request.mechanism, &request.digest) {
        Ok(_) => {}
        Err(NotCovered::Digest) => {
            return Err(SigningError::NotInManifest(hex::encode(&request.digest)));
        }
        Err(NotCovered::Mechanism) => {
            return Err(SigningError::Mechanism(format!(
                "the custodians approved files by their SHA-256, so `{}` cannot be checked: use {} instead",
                request.mechanism,
                with_sha256(&key.public_key)
            )));
        }
    }
    if request.mechanism == Mechanism::RsaRaw {
        let mut connection = app.store.read().await?;
        let kept = store::keys::kept(&mut connection, &key.fingerprint).await?;
        if !kept.settings.raw_rsa {
            return Err(SigningError::Mechanism(format!(
                "raw RSA is not allowed for the key `{}`, since nobody can tell what it signs: use {}, or let an admin \
                 allow it",
                key.label,
                with_sha256(&key.public_key)
            )));
        }
    }
    Ok(())
}

/// The mechanisms whose digests custodians can approve.
fn with_sha256(key: &PublicKey) -> String {
    let names: Vec<_> = Mechanism::of_key(key)
        .into_iter()
        .filter(|mechanism| mechanism.hash() == Some(HashAlgorithm::Sha256))
        .map(|mechanism| format!("`{mechanism}`"))
        .collect();
    names.join(" or ")
}

fn refused_input(why: NoInput, request: &SignRequest, key: &LeaseKey) -> SigningError {
    let mechanism = request.mechanism;
    match why {
        NoInput::Mechanism => {
            let possible: Vec<_> = Mechanism::of_key(&key.public_key)
                .iter()
                .map(ToString::to_string)
                .collect();
            SigningError::Mechanism(format!(
                "the key is {}: it cannot do `{mechanism}`, but {}",
                key.public_key.kind(),
                possible.join(", ")
            ))
        }
        NoInput::Salt(0) => SigningError::Invalid(format!("`{mechanism}` has no salt")),
        NoInput::Salt(longest) => SigningError::Invalid(format!(
            "the salt is too long for this key: {longest} bytes at most"
        )),
        NoInput::Random => SigningError::Hsm(HsmError::Unavailable(
            "the operating system gives no random numbers".into(),
        )),
    }
}

/// How the activation ended, once that is stored.
async fn ended(app: &App, lease: &Lease) -> Result<SigningError, SigningError> {
    let _ = tokio::time::timeout(ENDING, lease.closed()).await;
    let mut connection = app.store.read().await?;
    Ok(
        match activation::load(&mut connection, &lease.terms.id)
            .await?
            .state
        {
            ActivationState::Ended { reason, .. } => SigningError::Ended(reason),
            ActivationState::Queued
            | ActivationState::Collecting
            | ActivationState::Open { .. } => SigningError::NotOpen(lease.terms.id.clone()),
        },
    )
}

fn answer(
    terms: &ActivationTerms,
    stored: StoredSignature,
    request: &SignRequest,
) -> Result<SignatureView, SigningError> {
    let same = stored.mechanism == request.mechanism
        && stored.digest == request.digest
        && stored.salt_length == request.salt_length
        && request.key.is_none_or(|key| stored.key == key);
    if !same {
        return Err(SigningError::IdempotencyMismatch);
    }
    to_view(terms, stored).ok_or(SigningError::UnknownOutcome)
}

/// A recorded signature as people see it.
fn to_view(terms: &ActivationTerms, stored: StoredSignature) -> Option<SignatureView> {
    let (signature, made_at) = stored.made?;
    let name = file_name(terms, &stored.digest);
    Some(SignatureView {
        id: stored.id,
        activation: terms.id.clone(),
        key: stored.key,
        mechanism: stored.mechanism,
        digest: stored.digest,
        salt_length: stored.salt_length,
        name,
        signature,
        made_at,
    })
}

fn file_name(terms: &ActivationTerms, digest: &[u8]) -> Option<String> {
    let Purpose::Sign {
        scope: Scope::Manifest { files },
        ..
    } = &terms.purpose
    else {
        return None;
    };
    let digest = Sha256Digest(digest.try_into().ok()?);
    files
        .files()
        .iter()
        .find(|file| file.sha256 == digest)
        .map(|file| file.name.clone())
}
