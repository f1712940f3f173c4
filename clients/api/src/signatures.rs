//! Signatures under an open activation.

use std::time::Instant;

use countersign_protocol::{
    dsse::canonical_digest,
    id::ActivationId,
    problem::ProblemCode,
    signature::{IDEMPOTENCY_KEY, SignRequest, SignatureView},
};

use crate::{
    client::{Client, Limit},
    error::ClientError,
    path::segment,
};

/// Names one wish for one signature: however often it is sent, the server signs once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdempotencyKey(String);

impl IdempotencyKey {
    /// A new key (UUID version 7).
    #[expect(clippy::new_without_default, reason = "every key is another one")]
    pub fn new() -> Self {
        Self(uuid::Uuid::now_v7().to_string())
    }

    /// The same for the same request.
    fn of(request: &SignRequest) -> Self {
        Self(format!("content-{}", canonical_digest(request)))
    }

    /// As it travels.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn path(id: &ActivationId) -> String {
    format!("/activations/{}/signatures", segment(id.as_str()))
}

impl Client {
    /// Has one digest signed. Repeated with the same idempotency key after a broken connection, as long as
    /// [`Timeouts::signature`](crate::Timeouts::signature) allows.
    ///
    /// The signature is not verified here.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn sign(
        &self,
        id: &ActivationId,
        request: &SignRequest,
    ) -> Result<SignatureView, ClientError> {
        self.sign_as(id, request, &IdempotencyKey::new())
    }

    /// [`Client::sign`] with a key that the caller keeps, to repeat the request later.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn sign_as(
        &self,
        id: &ActivationId,
        request: &SignRequest,
        key: &IdempotencyKey,
    ) -> Result<SignatureView, ClientError> {
        self.sign_until(id, request, key, self.signature_deadline())
    }

    /// [`Client::sign`] for programs that sign one thing several times: under an activation, the same request gets the
    /// same signature, which is counted once.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn sign_once(
        &self,
        id: &ActivationId,
        request: &SignRequest,
    ) -> Result<SignatureView, ClientError> {
        let deadline = self.signature_deadline();
        match self.sign_until(id, request, &IdempotencyKey::of(request), deadline) {
            // Nobody knows what became of an earlier one; it counts, and this one is another.
            Err(error) if error.code() == Some(ProblemCode::Conflict) => {
                self.sign_until(id, request, &IdempotencyKey::new(), deadline)
            }
            result => result,
        }
    }

    fn signature_deadline(&self) -> Instant {
        Instant::now() + self.timeouts().signature
    }

    fn sign_until(
        &self,
        id: &ActivationId,
        request: &SignRequest,
        key: &IdempotencyKey,
        deadline: Instant,
    ) -> Result<SignatureView, ClientError> {
        let left = || deadline.saturating_duration_since(Instant::now());
        // After a broken connection the first request may still be under way, which is a conflict until it is done.
        let again = |error: &ClientError, attempt| {
            let open = error.code() == Some(ProblemCode::Conflict) && attempt > 1;
            (error.is_unreachable() || open) && !left().is_zero()
        };
        let headers = [(IDEMPOTENCY_KEY, key.as_str())];
        let (_, view): (u16, SignatureView) = self.retry().run(again, || {
            self.post_with(&path(id), request, &headers, Limit::All(left()))
        })?;
        if view.digest != request.digest || view.mechanism != request.mechanism {
            return Err(self.malformed("it signed something else than was asked for"));
        }
        Ok(view)
    }

    /// Signatures made under an activation so far.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn signatures(&self, id: &ActivationId) -> Result<Vec<SignatureView>, ClientError> {
        self.get(&path(id))
    }
}
