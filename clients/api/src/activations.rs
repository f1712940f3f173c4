use std::{
    thread,
    time::{Duration, Instant},
};

use countersign_protocol::{
    activation::{
        ActivationState, ActivationView, ApprovalOutcome, ApprovalTaskView, Decline, NewActivation,
        SignedApproval,
    },
    dsse::Envelope,
    id::ActivationId,
};

use crate::{
    client::{Client, Limit},
    error::ClientError,
    path::segment,
};

/// Longest time for which the server holds one [`Client::activation_after`] request.
pub const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// Minimum time between two polls, in case the server answers a long poll early.
const MIN_POLL_INTERVAL: Duration = Duration::from_millis(200);

/// The activations that [`Client::activations`] lists.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ActivationFilter {
    /// Activations that have not ended.
    #[default]
    Active,
    Ended,
    All,
}

impl ActivationFilter {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Ended => "ended",
            Self::All => "all",
        }
    }
}

/// The result of [`Client::request_activation`].
#[derive(Clone, Debug)]
pub struct Requested {
    pub activation: ActivationView,
    /// Whether the activation already existed, because the same requester had requested the same for the same reason.
    pub joined: bool,
}

/// The value of [`NewActivation::abandoned_after_seconds`] for a program that retries for `retry_time` while the server
/// is unreachable. It is longer, so that the server does not give the program up first.
pub fn abandoned_after(retry_time: Duration) -> Option<u32> {
    let seconds = retry_time.saturating_add(LONGEST_WAIT).as_secs();
    Some(u32::try_from(seconds).unwrap_or(u32::MAX))
}

fn path(id: &ActivationId) -> String {
    format!("/activations/{}", segment(id.as_str()))
}

impl Client {
    /// Lists the activations that the caller may see, newest first.
    pub fn activations(
        &self,
        filter: ActivationFilter,
    ) -> Result<Vec<ActivationView>, ClientError> {
        self.get(&format!("/activations?state={}", filter.as_str()))
    }

    /// Requests an activation, or joins an equal one. A failed call is not retried, because it is not idempotent.
    pub fn request_activation(&self, request: &NewActivation) -> Result<Requested, ClientError> {
        let limit = Limit::Response(self.timeouts().response);
        let (status, activation) = self.post_with("/activations", request, &[], limit)?;
        Ok(Requested {
            activation,
            joined: status != 201,
        })
    }

    pub fn activation(&self, id: &ActivationId) -> Result<ActivationView, ClientError> {
        self.get(&path(id))
    }

    /// Returns the activation as soon as its revision is greater than `revision`, or unchanged after `wait`, which is
    /// limited to [`LONGEST_WAIT`] and rounded down to whole seconds.
    pub fn activation_after(
        &self,
        id: &ActivationId,
        revision: u64,
        wait: Duration,
    ) -> Result<ActivationView, ClientError> {
        let wait = wait.min(LONGEST_WAIT);
        let path = format!("{}?after={revision}&wait={}", path(id), wait.as_secs());
        self.get_within(&path, Limit::LongPoll(wait))
    }

    /// Fetches the approval task that the calling custodian's helper has to sign.
    pub fn approval_task(&self, id: &ActivationId) -> Result<ApprovalTaskView, ClientError> {
        self.post_empty(&format!("{}/task", path(id)), self.timeouts().hsm)
    }

    /// Submits the approval that a custodian's helper signed.
    pub fn approve(
        &self,
        id: &ActivationId,
        signed: &SignedApproval,
    ) -> Result<ApprovalOutcome, ClientError> {
        let limit = Limit::Response(self.timeouts().hsm);
        self.post_with(&format!("{}/approvals", path(id)), signed, &[], limit)
            .map(|(_, outcome)| outcome)
    }

    /// Declines the activation on behalf of the calling custodian.
    pub fn decline(
        &self,
        id: &ActivationId,
        decline: &Decline,
    ) -> Result<ActivationView, ClientError> {
        self.post(&format!("{}/decline", path(id)), decline)
    }

    /// Cancels the activation before it opens, or locks the HSM afterwards. Returns once the server has verified that
    /// the HSM is locked.
    pub fn lock(&self, id: &ActivationId) -> Result<ActivationView, ClientError> {
        self.post_empty(&format!("{}/lock", path(id)), self.timeouts().hsm)
    }

    /// Returns an activation that no longer signs as it ended. The HSM stops at the end of the lease, and the server stores
    /// the end a moment later, so this waits up to `limit` for it. The caller has to check whether the activation has
    /// ended, because an activation that never opened has not.
    pub fn ended_activation(
        &self,
        id: &ActivationId,
        limit: Duration,
    ) -> Result<ActivationView, ClientError> {
        let until = Instant::now() + limit;
        let mut view = self.activation(id)?;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let is_open = matches!(view.state, ActivationState::Open { .. });
            if !is_open || left.is_zero() {
                return Ok(view);
            }
            // Shorter waits than a second are rounded down to none.
            let asked = Instant::now();
            view = self.activation_after(id, view.revision, left)?;
            thread::sleep(MIN_POLL_INTERVAL.saturating_sub(asked.elapsed()).min(left));
        }
    }

    /// Fetches the [`Receipt`](countersign_protocol::receipt::Receipt), signed by the server.
    pub fn receipt(&self, id: &ActivationId) -> Result<Envelope, ClientError> {
        self.get(&format!("{}/receipt", path(id)))
    }
}
