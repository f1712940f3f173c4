//! How much one requester may have waiting.

use countersign_protocol::{audit::Actor, id::TokenId, text::count};

use super::{ActivationError, Requester};
use crate::{
    config::LeaseConfig,
    store::{self, WriteTx, activations::Activation},
};

/// The token with which the request was made.
pub(super) fn token(requester: &Requester<'_>) -> Option<TokenId> {
    match requester.actor {
        Actor::Token { token, .. } => Some(token.clone()),
        _ => None,
    }
}

/// Checks that a new request fits beside those of the same requester and token that wait.
pub(super) async fn check(
    tx: &mut WriteTx,
    requester: &Requester<'_>,
    new: &Activation,
    limits: &LeaseConfig,
) -> Result<(), ActivationError> {
    let token = new.token.as_ref();
    let waiting = store::queue::waiting(tx.connection(), &requester.person.id, token).await?;
    let most = limits.max_waiting_requests.into();
    if waiting.requests >= most || waiting.of_token >= most {
        return Err(ActivationError::TooManyWaiting(format!(
            "{} already {}, which is the limit: wait until some of them have opened, or cancel those that are no longer needed",
            count(waiting.requests, "request"),
            if waiting.requests == 1 {
                "waits"
            } else {
                "wait"
            },
        )));
    }
    let bytes = waiting.bytes + store::activations::terms_bytes(&new.terms)?;
    if bytes > limits.max_waiting_bytes {
        return Err(ActivationError::TooManyWaiting(format!(
            "the file lists of your waiting requests and of this one have {bytes} bytes together, and the limit is {}: wait \
             until some of the requests have opened, or cancel those that are no longer needed",
            limits.max_waiting_bytes
        )));
    }
    Ok(())
}
