//! Signs under a lease: reserves the signature, sends one command to the HSM, verifies, records and returns the signature.
//!
//! No transaction or lock is held while the HSM works, so requests can overlap and share transactions.

mod attempt;
mod coverage;
mod error;
mod input;
mod journal;
mod pss;
mod signature;

pub use error::SigningError;
pub use signature::to_view;

use std::time::Duration;

use countersign_protocol::{
    activation::{ActivationState, ActivationTerms},
    id::ActivationId,
    limits,
    purpose::Purpose,
    signature::{SignRequest, SignatureView},
    text,
};

use self::{attempt::Attempt, journal::Journal, signature::answer};
use crate::{
    activation::{
        ActivationError, Activations, Coordinators, LeasePool, OpenLeases, Requester, combined,
    },
    store::{self, Store},
};

/// Maximum duration of the end of a lease. A card can be slow to reset.
const ENDING: Duration = Duration::from_secs(20);

/// Creates signatures under open leases. Clones share the same state.
#[derive(Clone)]
pub struct Signing {
    store: Store,
    journal: Journal,
    leases: OpenLeases,
    coordinators: Coordinators,
}

impl Signing {
    /// Starts the journal's thread.
    ///
    /// # Errors
    /// The operating system cannot start a thread.
    pub fn start(store: Store, activations: &Activations) -> std::io::Result<Self> {
        Ok(Self {
            journal: Journal::start(store.clone())?,
            store,
            leases: activations.leases().clone(),
            coordinators: activations.coordinators().clone(),
        })
    }

    /// Signs, or returns the recorded signature if the idempotency key was used before.
    #[tracing::instrument(
        skip_all,
        fields(activation = %id, digest = %hex::encode(&request.digest), person = requester.person.name)
    )]
    pub async fn sign(
        &self,
        requester: &Requester<'_>,
        id: &ActivationId,
        idempotency_key: &str,
        request: &SignRequest,
    ) -> Result<SignatureView, SigningError> {
        text::check(idempotency_key, limits::IDEMPOTENCY_KEY)
            .map_err(|why| SigningError::Invalid(format!("the idempotency key {why}")))?;
        let Some(pool) = self.leases.pool(id) else {
            return self
                .without_lease(requester, id, idempotency_key, request)
                .await;
        };
        let terms = &pool.terms;
        allowed(requester, terms)?;
        // If a request with this key is in progress, wait for it and then return its recorded signature.
        let pass = loop {
            match pool.begin(idempotency_key) {
                Ok(pass) => break pass,
                Err(mut under_way) => {
                    let _ = under_way.changed().await;
                }
            }
        };
        if pass.was_reserved() {
            let mut connection = self.store.read().await?;
            let before = store::signatures::by_key(&mut connection, id, idempotency_key).await?;
            if let Some(stored) = before {
                return answer(terms, id, stored, request);
            }
        }
        let attempt = Attempt {
            signing: self.clone(),
            pass,
            actor: requester.actor.clone(),
            idempotency_key: idempotency_key.to_owned(),
            request: request.clone(),
        };
        // A client that hangs up must not leave a signature unrecorded.
        let stored = tokio::spawn(tracing::Instrument::in_current_span(attempt.run()))
            .await
            .map_err(|_| SigningError::UnknownOutcome)??;
        answer(terms, id, stored, request)
    }

    /// Returns the recorded signature, or the reason why there is no open lease.
    async fn without_lease(
        &self,
        requester: &Requester<'_>,
        id: &ActivationId,
        idempotency_key: &str,
        request: &SignRequest,
    ) -> Result<SignatureView, SigningError> {
        let mut connection = self.store.read().await?;
        let members = store::activations::members(&mut connection, id).await?;
        let first = members
            .first()
            .ok_or_else(|| ActivationError::NotFound(id.clone()))?;
        allowed(requester, &first.terms)?;
        let before = store::signatures::by_key(&mut connection, id, idempotency_key).await?;
        if let Some(stored) = before {
            return answer(&first.terms, id, stored, request);
        }
        let states: Vec<_> = members.iter().map(|member| member.state.clone()).collect();
        Err(match combined(&states, 0) {
            Some(ActivationState::Ended { reason, .. }) => SigningError::Ended(reason),
            _ => SigningError::NotOpen(id.clone()),
        })
    }

    /// Waits until it is known how the activation ended.
    async fn ended(&self, pool: &LeasePool) -> Result<SigningError, SigningError> {
        let id = pool.terms.id.activation();
        let mut locked = None;
        for lease in pool.members() {
            if !lease.handle.is_revoked() {
                continue;
            }
            if let Ok(Some(reason)) = tokio::time::timeout(ENDING, lease.closed()).await {
                locked.get_or_insert(reason);
            }
        }
        let mut connection = self.store.read().await?;
        let members = store::activations::members(&mut connection, &id).await?;
        let states: Vec<_> = members.into_iter().map(|member| member.state).collect();
        Ok(match (combined(&states, 0), locked) {
            (Some(ActivationState::Ended { reason, .. }), _) => SigningError::Ended(reason),
            // Every HSM is locked, but the end is not stored yet.
            (_, Some(reason)) if pool.open().is_empty() => SigningError::Ended(reason),
            _ => SigningError::NotOpen(id),
        })
    }
}

/// Checks that this requester can sign under an activation with these terms. A token for other keys gets the error that the
/// activation does not exist.
pub fn allowed(requester: &Requester<'_>, terms: &ActivationTerms) -> Result<(), ActivationError> {
    if terms.requester.id != requester.person.id || !requester.may_sign {
        return Err(ActivationError::NotItsRequester);
    }
    if !requester.may_use_all_of(&terms.purpose) {
        return Err(ActivationError::NotFound(terms.id.activation()));
    }
    match &terms.purpose {
        Purpose::Sign { .. } => Ok(()),
        Purpose::GenerateKey { .. } => Err(ActivationError::NotForSigning),
    }
}
