//! One request for a signature. It is tried on one HSM after another until one signs, or until the request fails for good.

use std::sync::Arc;

use countersign_card::{CardError, SignAlgorithm};
use countersign_protocol::{
    Timestamp,
    activation::EndReason,
    audit::{Actor, AuditEvent},
    cvc::DeviceId,
    encoding::Base64,
    id::{HsmId, SignatureId},
    signature::SignRequest,
};

use super::{
    Signing, SigningError,
    coverage::{covered, key, refused_input},
    input,
    journal::{Entry, Record},
};
use crate::{
    activation::{Entered, Lease, LeaseKey, Pass, Reservation},
    hsm::HsmError,
    store::{
        self, Store, StoreError,
        quarantines::Quarantine,
        signatures::{self, Made, StoredSignature},
    },
};

/// Algorithm and input of the SIGN command.
type CardInput = (SignAlgorithm, Vec<u8>);

/// A request in progress.
pub(super) struct Attempt {
    pub signing: Signing,
    pub pass: Pass,
    pub actor: Actor,
    pub idempotency_key: String,
    pub request: SignRequest,
}

/// The outcome of a request on one HSM.
enum Outcome {
    Signed(StoredSignature),
    /// No other HSM is tried.
    Refused(SigningError),
    /// Another HSM of the pool may sign, under the same reservation if it is still usable.
    TryAnother(SigningError, Option<Reservation>),
}

impl Attempt {
    pub async fn run(self) -> Result<StoredSignature, SigningError> {
        let pool = self.pass.pool();
        let mut tried = Vec::new();
        let mut failed = None;
        let mut input = None;
        let mut reservation = None;
        while let Some(entered) = pool.enter(&tried).await {
            tried.push(entered.lease.terms.id.clone());
            let input = match &input {
                Some(input) => input,
                None => input.insert(self.check(&entered.lease)?),
            };
            let held = reservation.take().or_else(|| self.pass.reserve());
            let held = held.ok_or(SigningError::Ended(EndReason::SignatureLimitReached))?;
            match self.sign_on(entered, input, held).await {
                Outcome::Signed(stored) => return Ok(stored),
                Outcome::Refused(error) => return Err(error),
                Outcome::TryAnother(error, left) => {
                    failed = Some(error);
                    reservation = left;
                }
            }
        }
        drop(reservation);
        match failed {
            // No HSM of the activation is open any longer.
            None | Some(SigningError::Hsm(HsmError::NotOpen)) => {
                Err(self.signing.ended(pool).await?)
            }
            Some(error) => Err(error),
        }
    }

    /// Checks everything that does not depend on the HSM. Returns the input of the SIGN command.
    fn check(&self, lease: &Lease) -> Result<CardInput, SigningError> {
        let request = &self.request;
        let key = key(lease, request)?;
        let input = input::card_input(request, &key.public_key)
            .map_err(|why| refused_input(why, request, key))?;
        let length = request.mechanism.input_len(&key.public_key);
        if request.digest.len() != length {
            return Err(SigningError::Invalid(format!(
                "{} needs an input of {length} bytes, but the request has {}",
                request.mechanism,
                request.digest.len()
            )));
        }
        covered(self.pass.pool(), key, request)?;
        Ok(input)
    }

    /// Reserves a signature, signs on one HSM, verifies the signature and records it.
    async fn sign_on(&self, entered: Entered, input: &CardInput, held: Reservation) -> Outcome {
        let lease = entered.lease.clone();
        let key = match key(&lease, &self.request) {
            Ok(key) => key,
            Err(error) => return Outcome::Refused(error),
        };
        let stored = self.new_signature(key);
        if let Err(error) = self.reserve(&lease, &stored).await {
            return Outcome::Refused(error);
        }
        let (algorithm, input) = input;
        let signed = lease
            .hsm
            .sign(&lease.handle, key.reference, *algorithm, input.clone())
            .await;
        let signature = match signed {
            Ok(signature) => signature,
            Err(error) => return self.not_signed(&lease, &stored.id, error, held).await,
        };
        if self.request.verify(&key.public_key, &signature).is_err() {
            return self.bad_signature(&lease, &stored.id, held).await;
        }
        let stored = match self.record(&lease, stored, signature).await {
            Ok(stored) => stored,
            Err(error) => {
                // The HSM has created the signature, so it counts, although no client receives it.
                self.mark_outcome_unknown(&lease, held);
                return Outcome::Refused(error);
            }
        };
        let end = held.made(&self.request.digest);
        // The end of the lease waits for all signatures in progress, so this one must be done first.
        drop(entered);
        match self.report(&lease, end).await {
            Ok(()) => Outcome::Signed(stored),
            Err(error) => Outcome::Refused(error),
        }
    }

    fn new_signature(&self, key: &LeaseKey) -> StoredSignature {
        StoredSignature {
            id: SignatureId::new(uuid::Uuid::now_v7().to_string()),
            key: key.fingerprint,
            mechanism: self.request.mechanism,
            digest: self.request.digest.clone(),
            salt_length: self.request.salt_length,
            made: None,
        }
    }

    async fn reserve(&self, lease: &Lease, stored: &StoredSignature) -> Result<(), SigningError> {
        let reservation = signatures::Reservation {
            activation: lease.terms.id.clone(),
            idempotency_key: self.idempotency_key.clone(),
            signature: stored.clone(),
        };
        let reserve = Entry::Reserve(reservation);
        Ok(self.signing.journal.write(reserve).await?)
    }

    async fn record(
        &self,
        lease: &Lease,
        mut stored: StoredSignature,
        signature: Vec<u8>,
    ) -> Result<StoredSignature, SigningError> {
        // Round to the precision of the database, so that a retry gets the same answer.
        let now =
            Timestamp::from_millisecond(Timestamp::now().as_millisecond()).unwrap_or_default();
        let event = AuditEvent::Signed {
            signature: stored.id.clone(),
            activation: lease.terms.id.clone(),
            key: stored.key,
            mechanism: stored.mechanism,
            digest: hex::encode(&stored.digest),
            salt_length: stored.salt_length,
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
        let record = Entry::Record(Box::new(record));
        self.signing.journal.write(record).await?;
        tracing::info!(
            signature = %stored.id,
            hsm = %lease.hsm.id(),
            key = %stored.key.short(),
            mechanism = %stored.mechanism,
            "signed"
        );
        stored.made = Some((Base64(signature), now));
        Ok(stored)
    }

    async fn not_signed(
        &self,
        lease: &Lease,
        id: &SignatureId,
        error: HsmError,
        held: Reservation,
    ) -> Outcome {
        let is_known = match &error {
            HsmError::NotOpen | HsmError::Unavailable(_) => true,
            HsmError::Card(error) => {
                !error.is_connection_lost() && !matches!(error, CardError::Malformed { .. })
            }
            _ => false,
        };
        let left = if is_known {
            let release = Entry::Release(id.clone());
            if let Err(error) = self.signing.journal.write(release).await {
                return Outcome::Refused(error.into());
            }
            Some(held)
        } else {
            tracing::error!(signature = %id, %error, "a signature ended with an unknown outcome");
            self.mark_outcome_unknown(lease, held)
        };
        if !error.is_retryable_on_another_hsm() {
            return Outcome::Refused(error.into());
        }
        if !is_known {
            self.end_lost(lease, &error);
        }
        Outcome::TryAnother(error.into(), left)
    }

    /// Ends the lease of an HSM that returned an invalid signature, and puts the HSM into quarantine. The device may claim a key
    /// that it does not have. Its response is not a signature with the key, so it must not use up the limit of the others.
    async fn bad_signature(&self, lease: &Lease, id: &SignatureId, held: Reservation) -> Outcome {
        lease.revoke();
        let error = SigningError::BadSignature;
        tracing::error!(signature = %id, hsm = %lease.hsm.id(), "the HSM returned an invalid signature and is not used again");
        let why = error.to_string();
        self.end_soon(lease, EndReason::Failed { why });
        self.quarantine(lease).await;
        match self.signing.journal.write(Entry::Release(id.clone())).await {
            Ok(()) => Outcome::TryAnother(error, Some(held)),
            Err(error) => Outcome::Refused(error.into()),
        }
    }

    /// Has no HSM use the device again until an admin ends its quarantine. The device is locked although the database fails, until
    /// the next restart.
    async fn quarantine(&self, lease: &Lease) {
        let (hsm, device) = (lease.hsm.id().clone(), lease.terms.hsm.device.clone());
        let quarantine = Quarantine {
            why: "it returned an invalid signature, so it may be damaged, or may not have the key that it claims: check the \
                  device before an admin ends its quarantine"
                .into(),
            since: Timestamp::now(),
        };
        lease.hsm.quarantine(device.clone(), quarantine.clone());
        let stored = store_quarantine(&self.signing.store, hsm, device, &quarantine).await;
        if let Err(error) = stored {
            tracing::error!(%error, "the quarantine of an HSM could not be stored, so it ends when the server restarts");
        }
    }

    /// Notes that the HSM may have created a signature that no client received, and ends the activation if that was the last one.
    /// Returns the reservation if another HSM may use it again.
    fn mark_outcome_unknown(&self, lease: &Lease, held: Reservation) -> Option<Reservation> {
        let left = held.outcome_unknown();
        let pool = self.pass.pool();
        if pool.is_used_up() {
            // The caller ends the failing HSM's lease with its own reason.
            let members = pool.members();
            let other = members
                .iter()
                .find(|other| other.terms.id != lease.terms.id);
            if let Some(other) = other {
                self.end_soon(other, EndReason::SignatureLimitReached);
            }
        }
        left
    }

    /// Ends the lease of an HSM whose answer was lost or invalid. If the connection was lost, its coordinator ends the lease.
    fn end_lost(&self, lease: &Lease, error: &HsmError) {
        lease.revoke();
        if !matches!(error, HsmError::Card(error) if error.is_connection_lost()) {
            let why = error.to_string();
            self.end_soon(lease, EndReason::HsmLost { why });
        }
    }

    fn end_soon(&self, lease: &Lease, reason: EndReason) {
        let coordinators = &self.signing.coordinators;
        coordinators.end_soon(lease.hsm.id(), lease.terms.id.clone(), reason);
    }

    /// Reports a recorded signature to the HSM's coordinator, or the end of the lease if it was the last one.
    async fn report(&self, lease: &Arc<Lease>, end: Option<EndReason>) -> Result<(), SigningError> {
        let (hsm, id) = (lease.hsm.id(), lease.terms.id.clone());
        let coordinators = &self.signing.coordinators;
        match end {
            Some(reason) => coordinators.end(hsm, id, reason).await?,
            None => coordinators.signed(hsm, id).await?,
        }
        Ok(())
    }
}

async fn store_quarantine(
    store: &Store,
    hsm: HsmId,
    device: DeviceId,
    quarantine: &Quarantine,
) -> Result<(), StoreError> {
    let mut tx = store.write().await?;
    store::quarantines::insert(tx.connection(), &device, quarantine).await?;
    let why = quarantine.why.clone();
    let event = AuditEvent::HsmQuarantined { hsm, device, why };
    tx.audit(&Actor::Server, event).await?;
    tx.commit().await
}
