//! Activations.

use std::time::Duration;

use countersign_protocol::{
    activation::{
        ActivationView, ApprovalEvidence, ApprovalOutcome, ApprovalTaskView, Decline, NewActivation,
    },
    dsse::Envelope,
    id::ActivationId,
};

use crate::{
    client::{Client, Limit},
    error::ClientError,
    path::segment,
};

/// Longest wait of one [`Client::activation_after`] at the server.
pub const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// Which activations are listed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ActivationFilter {
    /// Those that have not ended.
    #[default]
    Active,
    /// Those that have.
    Ended,
    /// Every one.
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

/// Answer to a request for an activation.
#[derive(Clone, Debug)]
pub struct Requested {
    /// The activation.
    pub activation: ActivationView,
    /// It was there already: the same requester asked for the same thing for the same reason.
    pub joined: bool,
}

/// For [`NewActivation::abandoned_after_seconds`], given how long the program waits for a server that it cannot reach: the
/// server must not give up first.
pub fn abandoned_after(patience: Duration) -> Option<u32> {
    let seconds = patience.saturating_add(LONGEST_WAIT).as_secs();
    Some(u32::try_from(seconds).unwrap_or(u32::MAX))
}

fn path(id: &ActivationId) -> String {
    format!("/activations/{}", segment(id.as_str()))
}

impl Client {
    /// Activations that the caller may see, newest first.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn activations(
        &self,
        filter: ActivationFilter,
    ) -> Result<Vec<ActivationView>, ClientError> {
        self.get(&format!("/activations?state={}", filter.as_str()))
    }

    /// Asks for an activation, or joins one. Not repeated automatically.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn request_activation(&self, request: &NewActivation) -> Result<Requested, ClientError> {
        let limit = Limit::Answer(self.timeouts().answer);
        let (status, activation) = self.post_with("/activations", request, &[], limit)?;
        Ok(Requested {
            activation,
            joined: status != 201,
        })
    }

    /// One activation.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn activation(&self, id: &ActivationId) -> Result<ActivationView, ClientError> {
        self.get(&path(id))
    }

    /// Waits until the activation's revision is larger than `revision`, `wait` (at most [`LONGEST_WAIT`], whole
    /// seconds) at longest; the answer is the activation as it is then, changed or not.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn activation_after(
        &self,
        id: &ActivationId,
        revision: u64,
        wait: Duration,
    ) -> Result<ActivationView, ClientError> {
        let wait = wait.min(LONGEST_WAIT);
        let path = format!("{}?after={revision}&wait={}", path(id), wait.as_secs());
        self.get_within(&path, wait + self.timeouts().grace)
    }

    /// What the calling custodian's helper has to sign now.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn approval_task(&self, id: &ActivationId) -> Result<ApprovalTaskView, ClientError> {
        self.post_empty(&format!("{}/task", path(id)), self.timeouts().answer)
    }

    /// Hands in what a custodian's helper signed.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn approve(
        &self,
        id: &ActivationId,
        evidence: &ApprovalEvidence,
    ) -> Result<ApprovalOutcome, ClientError> {
        self.post(&format!("{}/approvals", path(id)), evidence)
    }

    /// Declines as a custodian.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn decline(
        &self,
        id: &ActivationId,
        decline: &Decline,
    ) -> Result<ActivationView, ClientError> {
        self.post(&format!("{}/decline", path(id)), decline)
    }

    /// Ends the activation; returns when the HSM was proven locked. Before the lease is open, this is the requester's
    /// withdrawal.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn lock(&self, id: &ActivationId) -> Result<ActivationView, ClientError> {
        self.post_empty(&format!("{}/lock", path(id)), self.timeouts().answer)
    }

    /// The [`Receipt`](countersign_protocol::receipt::Receipt), signed by the server.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn receipt(&self, id: &ActivationId) -> Result<Envelope, ClientError> {
        self.get(&format!("{}/receipt", path(id)))
    }
}
