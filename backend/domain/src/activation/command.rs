//! What a coordinator can be told to do.

use countersign_card::{PkaOptions, SoPin};
use countersign_protocol::{
    activation::{ApprovalEvidence, EndReason},
    audit::Actor,
    cvc::Fingerprint,
    dsse::Envelope,
    hsm::InitialiseHsm,
    id::ActivationId,
    operator::Person,
};
use tokio::sync::oneshot;

use super::{ActivationError, LockRequest};

/// Where the answer goes.
pub type Reply<T> = oneshot::Sender<Result<T, ActivationError>>;

/// A custodian who is logged in.
#[derive(Clone, Debug)]
pub struct Custodian {
    pub person: Person,
    /// Their enrolled key.
    pub key: Fingerprint,
}

/// What became of an approval.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Approved {
    /// The card counts it.
    Counted,
    /// The card wants another signature, over a fresh challenge.
    SignAgain { task: Envelope },
}

/// One thing to do.
pub enum Command {
    /// Begin with the activation that waits longest, if the HSM is free.
    Begin(Reply<()>),
    /// Give the task for a custodian's helper.
    Task {
        activation: ActivationId,
        custodian: Custodian,
        reply: Reply<Envelope>,
    },
    /// Check and count an approval.
    Approve {
        activation: ActivationId,
        custodian: Custodian,
        evidence: Box<ApprovalEvidence>,
        reply: Reply<Approved>,
    },
    /// Record that a custodian declines.
    Decline {
        activation: ActivationId,
        custodian: Custodian,
        reason: String,
        reply: Reply<()>,
    },
    /// End an activation for a person.
    Lock {
        activation: ActivationId,
        request: LockRequest,
        reply: Reply<()>,
    },
    /// A signature was recorded.
    Signed { activation: ActivationId },
    /// End an activation that cannot go on, unless it has ended already.
    End {
        activation: ActivationId,
        reason: EndReason,
    },
    /// Erase and set up.
    Initialise {
        actor: Actor,
        quorum: PkaOptions,
        request: InitialiseHsm,
        so_pin: SoPin,
        reply: Reply<()>,
    },
    /// Register a custodian's key.
    Register {
        actor: Actor,
        admin: Person,
        key: Fingerprint,
        reply: Reply<()>,
    },
    /// Lock and end. Activations that wait for an HSM that an admin removed end, too.
    Stop {
        removed_by: Option<Actor>,
        reply: oneshot::Sender<()>,
    },
}

impl Command {
    /// Answers a command that begins something new with an error; returns any other command.
    pub fn refuse(self, why: impl FnOnce() -> ActivationError) -> Option<Self> {
        match self {
            Self::Begin(reply) => drop(reply.send(Err(why()))),
            Self::Task { reply, .. } => drop(reply.send(Err(why()))),
            Self::Approve { reply, .. } => drop(reply.send(Err(why()))),
            Self::Decline { reply, .. }
            | Self::Initialise { reply, .. }
            | Self::Register { reply, .. } => drop(reply.send(Err(why()))),
            other @ (Self::Lock { .. }
            | Self::Signed { .. }
            | Self::End { .. }
            | Self::Stop { .. }) => return Some(other),
        }
        None
    }
}
