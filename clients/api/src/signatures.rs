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

/// Identifies one signature request, so that the server signs once however often the request is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdempotencyKey(String);

impl IdempotencyKey {
    /// A new key (UUID version 7).
    #[expect(clippy::new_without_default, reason = "every key is different")]
    pub fn new() -> Self {
        Self(uuid::Uuid::now_v7().to_string())
    }

    /// A key that depends on the content of the request alone.
    fn of(request: &SignRequest) -> Self {
        Self(format!("content-{}", canonical_digest(request)))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn path(id: &ActivationId) -> String {
    format!("/activations/{}/signatures", segment(id.as_str()))
}

impl Client {
    /// Signs one digest. After a broken connection, the request is retried with the same idempotency key until
    /// [`Timeouts::signature`](crate::Timeouts::signature) has passed.
    ///
    /// The caller has to verify the signature.
    pub fn sign(
        &self,
        id: &ActivationId,
        request: &SignRequest,
    ) -> Result<SignatureView, ClientError> {
        self.sign_as(id, request, &IdempotencyKey::new())
    }

    /// [`Client::sign`] with an idempotency key of the caller, who can repeat the request later.
    pub fn sign_as(
        &self,
        id: &ActivationId,
        request: &SignRequest,
        key: &IdempotencyKey,
    ) -> Result<SignatureView, ClientError> {
        self.sign_until(id, request, key, self.signature_deadline())
    }

    /// [`Client::sign`] for programs that sign the same content several times. Under one activation, equal requests
    /// return the same signature, which counts once.
    pub fn sign_once(
        &self,
        id: &ActivationId,
        request: &SignRequest,
    ) -> Result<SignatureView, ClientError> {
        let deadline = self.signature_deadline();
        match self.sign_until(id, request, &IdempotencyKey::of(request), deadline) {
            // The outcome of an earlier attempt is unknown, so it used one signature. Retry under a new key.
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
        // After a broken connection the server may still process the first request, and reports a conflict until it
        // has.
        let is_retryable = |error: &ClientError, attempt| {
            let pending = error.code() == Some(ProblemCode::Conflict) && attempt > 1;
            (error.is_unreachable() || pending) && !left().is_zero()
        };
        let headers = [(IDEMPOTENCY_KEY, key.as_str())];
        let (_, view): (u16, SignatureView) = self.retry().run(is_retryable, || {
            self.post_with(&path(id), request, &headers, Limit::All(left()))
        })?;
        if view.digest != request.digest || view.mechanism != request.mechanism {
            return Err(self.malformed("the signature is for a different request"));
        }
        Ok(view)
    }

    /// Lists the signatures that were made under an activation.
    pub fn signatures(&self, id: &ActivationId) -> Result<Vec<SignatureView>, ClientError> {
        self.get(&path(id))
    }
}
