//! Signing under a lease: reserve, one command to the card, verify, record, answer.
//!
//! No transaction and no lock is held while the card works; several requests overlap, and are written together.

mod input;
mod pss;
mod receipt;
pub mod writer;

pub use receipt::{receipt, signatures};

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use countersign_card::{CardError, SignAlgorithm};
use countersign_protocol::{
    Timestamp,
    activation::{ActivationState, ActivationTerms, EndReason},
    audit::{Actor, AuditEvent},
    cvc::{HashAlgorithm, PublicKey},
    encoding::Base64,
    file_digest::FileDigest,
    id::{ActivationId, SignatureId},
    limits,
    mechanism::Mechanism,
    purpose::{Purpose, Scope},
    signature::{SignRequest, SignatureView},
    text,
};

use self::{
    input::NoInput,
    writer::{Change, Record},
};
use crate::{
    activation::{self, ActivationError, Entered, Lease, LeaseKey, LeasePool, Requester},
    app::App,
    hsm::HsmError,
    store::{
        self, StoreError,
        signatures::{Made, Reservation, StoredSignature},
    },
};

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
    text::check(idempotency_key, limits::IDEMPOTENCY_KEY)
        .map_err(|why| SigningError::Invalid(format!("the idempotency key {why}")))?;
    let Some(pool) = app.activations.pool(id) else {
        return without_lease(app, requester, id, idempotency_key, request).await;
    };
    let terms = &pool.terms;
    allowed(requester, terms)?;
    // What is under way is waited for, and then answered from the record.
    let pass = loop {
        match pool.begin(idempotency_key) {
            Ok(pass) => break pass,
            Err(mut under_way) => {
                let _ = under_way.changed().await;
            }
        }
    };
    if pool.has_reserved(idempotency_key) {
        let mut connection = app.store.read().await?;
        let before = store::signatures::by_key(&mut connection, id, idempotency_key).await?;
        if let Some(stored) = before {
            return answer(terms, id, stored, request);
        }
    }
    let job = Job {
        app: app.clone(),
        pool: pool.clone(),
        actor: requester.actor.clone(),
        idempotency_key: idempotency_key.to_owned(),
        request: request.clone(),
        reserved: AtomicBool::new(false),
        may_be_made: AtomicBool::new(false),
    };
    // A client that hangs up must not leave a signature unrecorded.
    let stored = tokio::spawn(async move {
        let result = job.run().await;
        drop(pass);
        result
    })
    .await
    .map_err(|_| SigningError::UnknownOutcome)??;
    answer(terms, id, stored, request)
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
    let view = activation::by_id(&mut connection, app, id).await?;
    allowed(requester, &view.terms)?;
    match store::signatures::by_key(&mut connection, id, idempotency_key).await? {
        Some(stored) => answer(&view.terms, id, stored, request),
        None => Err(match view.state {
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
/// [`ActivationError::NotAllowed`]; for a token for other keys [`ActivationError::NotFound`].
pub fn allowed(requester: &Requester<'_>, terms: &ActivationTerms) -> Result<(), SigningError> {
    let not_allowed = |why: &str| Err(ActivationError::NotAllowed(why.to_owned()).into());
    if terms.requester.id != requester.person.id || !requester.may_sign {
        return not_allowed("only its requester signs under an activation");
    }
    if !requester.may_use_all_of(&terms.purpose) {
        return Err(ActivationError::NotFound(terms.id.activation()).into());
    }
    match &terms.purpose {
        Purpose::Sign { .. } => Ok(()),
        Purpose::GenerateKey { .. } => {
            not_allowed("this activation is for generating a key, not for signing")
        }
    }
}

struct Job {
    app: App,
    pool: Arc<LeasePool>,
    actor: Actor,
    idempotency_key: String,
    request: SignRequest,
    /// The next HSM may make one signature.
    reserved: AtomicBool,
    /// An HSM may have made one under this reservation that nobody has: it counts, whatever other HSMs say.
    may_be_made: AtomicBool,
}

/// Algorithm and input of the SIGN command.
type CardInput = (SignAlgorithm, Vec<u8>);

/// What became of a request at one HSM.
enum Attempt {
    /// Done, or refused for good.
    Over(Result<StoredSignature, SigningError>),
    /// Not by this HSM: another of the pool may.
    Elsewhere(SigningError),
}

impl Job {
    async fn run(self) -> Result<StoredSignature, SigningError> {
        let pool = &self.pool;
        let mut tried = Vec::new();
        let mut failed = None;
        let mut input = None;
        while let Some(entered) = pool.enter(&tried).await {
            tried.push(entered.lease.terms.id.clone());
            let input = match &input {
                Some(input) => input,
                None => input.insert(self.check(&entered.lease).await?),
            };
            if !self.reserved.load(Ordering::SeqCst) && !self.reserve() {
                return Err(SigningError::Ended(EndReason::CountUsed));
            }
            match self.attempt(entered, input).await {
                Attempt::Over(result) => return result,
                Attempt::Elsewhere(error) => failed = Some(error),
            }
        }
        match failed {
            // Nothing more can be made: the lease is over.
            Some(SigningError::Hsm(HsmError::NotOpen)) => {
                self.release();
                Err(ended(&self.app, pool).await?)
            }
            Some(error) => {
                self.release();
                Err(error)
            }
            None => Err(ended(&self.app, pool).await?),
        }
    }

    /// Everything that does not depend on the HSM; what its card is given.
    async fn check(&self, lease: &Lease) -> Result<CardInput, SigningError> {
        let request = &self.request;
        let key = key(lease, request)?;
        let input = input::card_input(request, &key.public_key)
            .map_err(|why| refused_input(why, request, key))?;
        let length = request.mechanism.input_len(&key.public_key);
        if request.digest.len() != length {
            return Err(SigningError::Invalid(format!(
                "{} takes {length} bytes, these are {}",
                request.mechanism,
                request.digest.len()
            )));
        }
        covered(&self.app, &self.pool, key, request).await?;
        Ok(input)
    }

    async fn attempt(&self, entered: Entered, input: &CardInput) -> Attempt {
        match self.at(&entered.lease, input).await {
            Ok(Ok(stored)) => {
                let end = self.pool.note(&self.request.digest);
                let lease = entered.lease.clone();
                drop(entered);
                Attempt::Over(self.told(&lease, end).await.map(|()| stored))
            }
            Ok(Err(elsewhere)) => Attempt::Elsewhere(elsewhere),
            Err(error) => Attempt::Over(Err(error)),
        }
    }

    /// Reserves, signs, verifies, records. The inner error means that another HSM may be asked.
    async fn at(
        &self,
        lease: &Lease,
        (algorithm, input): &CardInput,
    ) -> Result<Result<StoredSignature, SigningError>, SigningError> {
        let Self { app, request, .. } = self;
        let id = &lease.terms.id;
        let key = key(lease, request)?;
        let mut stored = StoredSignature {
            id: SignatureId::new(uuid::Uuid::now_v7().to_string()),
            key: key.fingerprint,
            mechanism: request.mechanism,
            digest: request.digest.clone(),
            salt_length: request.salt_length,
            made: None,
        };
        let reserved = app.signatures.write(Change::Reserve(Reservation {
            activation: id.clone(),
            idempotency_key: self.idempotency_key.clone(),
            signature: stored.clone(),
        }));
        if let Err(error) = reserved.await {
            self.release();
            return Err(error.into());
        }
        let signature = match lease
            .hsm
            .sign(&lease.handle, key.reference, *algorithm, input.clone())
            .await
        {
            Ok(signature) => signature,
            Err(error) => return self.not_signed(lease, &stored.id, error).await,
        };
        if request.verify(&key.public_key, &signature).is_err() {
            // Nothing of this HSM is to be trusted any more.
            self.lose(lease);
            lease.revoke();
            let end = EndReason::Failed {
                why: SigningError::BadSignature.to_string(),
            };
            activation::end_soon(app, lease.hsm.id(), id.clone(), end);
            return Ok(Err(SigningError::BadSignature));
        }
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
        let record = Record {
            made: Made {
                id: stored.id.clone(),
                signature: signature.clone(),
                at: now,
            },
            actor: self.actor.clone(),
            event,
        };
        app.signatures
            .write(Change::Record(Box::new(record)))
            .await?;
        stored.made = Some((Base64(signature), now));
        Ok(Ok(stored))
    }

    async fn not_signed(
        &self,
        lease: &Lease,
        id: &SignatureId,
        error: HsmError,
    ) -> Result<Result<StoredSignature, SigningError>, SigningError> {
        let known = match &error {
            HsmError::NotOpen | HsmError::Unavailable(_) => true,
            HsmError::Card(error) => {
                !error.is_connection_lost() && !matches!(error, CardError::Malformed { .. })
            }
            _ => false,
        };
        if known {
            self.app
                .signatures
                .write(Change::Release(id.clone()))
                .await?;
        } else {
            self.lose(lease);
            tracing::error!("the outcome of signature {id} is unknown: {error}");
        }
        if activation::elsewhere(&error) {
            if !known {
                self.mistrust(lease, &error).await?;
            }
            return Ok(Err(error.into()));
        }
        if known {
            self.release();
        }
        Err(error.into())
    }

    /// `false`: there is none left.
    fn reserve(&self) -> bool {
        let reserved = self.pool.reserve(&self.idempotency_key);
        self.reserved.store(reserved, Ordering::SeqCst);
        self.may_be_made.store(false, Ordering::SeqCst);
        reserved
    }

    /// An HSM may have made a signature that nobody has.
    fn lose(&self, lease: &Lease) {
        let serves = self.pool.lose();
        self.reserved.store(serves, Ordering::SeqCst);
        self.may_be_made.store(true, Ordering::SeqCst);
        if !self.pool.is_used_up() {
            return;
        }
        // This HSM ends for a reason of its own.
        let members = self.pool.members();
        if let Some(other) = members
            .iter()
            .find(|other| other.terms.id != lease.terms.id)
        {
            let (hsm, id) = (other.hsm.id(), other.terms.id.clone());
            activation::end_soon(&self.app, hsm, id, EndReason::CountUsed);
        }
    }

    /// No HSM has made anything under this reservation.
    fn release(&self) {
        if !self.may_be_made.load(Ordering::SeqCst) {
            self.pool.release();
        }
    }

    /// Nothing more is asked of an HSM that gives no sound answer. One that is gone is noticed by itself.
    async fn mistrust(&self, lease: &Lease, error: &HsmError) -> Result<(), SigningError> {
        lease.revoke();
        if !matches!(error, HsmError::Card(error) if error.is_connection_lost()) {
            let why = error.to_string();
            let (hsm, id) = (lease.hsm.id(), lease.terms.id.clone());
            let end = EndReason::HsmLost { why };
            activation::end_soon(&self.app, hsm, id, end);
        }
        Ok(())
    }

    /// Tells the desks of a recorded signature, and of the end if it was the last one.
    async fn told(&self, lease: &Lease, end: Option<EndReason>) -> Result<(), SigningError> {
        let (hsm, id) = (lease.hsm.id(), lease.terms.id.clone());
        match end {
            Some(reason) => self.app.activations.end(hsm, id, reason).await?,
            None => self.app.activations.signed(hsm, id).await?,
        }
        Ok(())
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
    pool: &LeasePool,
    key: &LeaseKey,
    request: &SignRequest,
) -> Result<(), SigningError> {
    use activation::{ApprovedScope, NotCovered};
    match pool.covers(request.mechanism, &request.digest) {
        Ok(_) => {}
        Err(NotCovered::Digest) => {
            return Err(SigningError::NotInManifest(hex::encode(&request.digest)));
        }
        Err(NotCovered::Mechanism) => {
            let listed = |hash| match pool.scope() {
                ApprovedScope::Files(files) => files.keys().any(|digest| digest.hash() == hash),
                ApprovedScope::Anything | ApprovedScope::GenerateKey { .. } => false,
            };
            return Err(SigningError::Mechanism(format!(
                "the custodians approved no digest of the hash function of `{}`: use a mechanism with one of the list, \
                 {}",
                request.mechanism,
                mechanisms(&key.public_key, listed)
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
                mechanisms(&key.public_key, |hash| hash == HashAlgorithm::Sha256)
            )));
        }
    }
    Ok(())
}

/// The key's mechanisms with such a hash function, in words.
fn mechanisms(key: &PublicKey, is_meant: impl Fn(HashAlgorithm) -> bool) -> String {
    let names: Vec<_> = Mechanism::of_key(key)
        .into_iter()
        .filter(|mechanism| mechanism.hash().is_some_and(&is_meant))
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
async fn ended(app: &App, pool: &LeasePool) -> Result<SigningError, SigningError> {
    let id = pool.terms.id.activation();
    for lease in pool.members() {
        if !lease.handle.is_revoked() {
            continue;
        }
        let _ = tokio::time::timeout(ENDING, lease.closed()).await;
    }
    let mut connection = app.store.read().await?;
    let state = activation::by_id(&mut connection, app, &id).await?.state;
    Ok(match state {
        ActivationState::Ended { reason, .. } => SigningError::Ended(reason),
        ActivationState::Queued | ActivationState::Collecting | ActivationState::Open { .. } => {
            SigningError::NotOpen(id)
        }
    })
}

fn answer(
    terms: &ActivationTerms,
    id: &ActivationId,
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
    to_view(terms, &id.activation(), stored).ok_or(SigningError::UnknownOutcome)
}

/// A recorded signature as people see it.
fn to_view(
    terms: &ActivationTerms,
    activation: &ActivationId,
    stored: StoredSignature,
) -> Option<SignatureView> {
    let (signature, made_at) = stored.made?;
    let name = file_name(terms, stored.mechanism, &stored.digest);
    Some(SignatureView {
        id: stored.id,
        activation: activation.clone(),
        key: stored.key,
        mechanism: stored.mechanism,
        digest: stored.digest,
        salt_length: stored.salt_length,
        name,
        signature,
        made_at,
    })
}

fn file_name(terms: &ActivationTerms, mechanism: Mechanism, digest: &[u8]) -> Option<String> {
    let Purpose::Sign {
        scope: Scope::Manifest { files },
        ..
    } = &terms.purpose
    else {
        return None;
    };
    let digest = FileDigest::new(mechanism.hash()?, digest)?;
    files
        .files()
        .iter()
        .find(|file| file.digest == digest)
        .map(|file| file.name.clone())
}
