//! Commands to a coordinator.

use countersign_card::{PkaOptions, SoPin};
use countersign_protocol::{
    activation::{EndReason, SignedApproval},
    audit::Actor,
    cvc::Fingerprint,
    dsse::Envelope,
    hsm::InitialiseHsm,
    id::MemberId,
    operator::Person,
};
use tokio::sync::oneshot;

use super::{ActivationError, LockRequest};

/// A command, with the span of the request that sent it, so that its log lines have the request's id.
pub struct Sent {
    pub command: Command,
    pub span: tracing::Span,
}

impl From<Command> for Sent {
    fn from(command: Command) -> Self {
        Self {
            command,
            span: tracing::Span::current(),
        }
    }
}

pub type Reply<T> = oneshot::Sender<Result<T, ActivationError>>;

/// A custodian who is logged in.
#[derive(Clone, Debug)]
pub struct Custodian {
    pub person: Person,
    /// Their enrolled key.
    pub key: Fingerprint,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Approved {
    /// The HSM has accepted the custodian's response.
    Counted,
    /// The HSM needs another response, to a fresh challenge.
    SignAgain { task: Envelope },
}

pub enum Command {
    /// Give the HSM to the activation that has waited longest, if the HSM is free.
    Begin(Reply<()>),
    /// Create the task for a custodian's helper.
    Task {
        activation: MemberId,
        custodian: Custodian,
        reply: Reply<Envelope>,
    },
    /// Verify an approval and present it to the HSM.
    Approve {
        activation: MemberId,
        custodian: Custodian,
        signed: Box<SignedApproval>,
        reply: Reply<Approved>,
    },
    Decline {
        activation: MemberId,
        custodian: Custodian,
        reason: String,
        reply: Reply<()>,
    },
    /// End an activation at a person's request.
    Lock {
        activation: MemberId,
        request: LockRequest,
        reply: Reply<()>,
    },
    /// A signature under this activation was recorded.
    Signed { activation: MemberId },
    /// End an activation that cannot continue, unless it has already ended.
    End {
        activation: MemberId,
        reason: EndReason,
    },
    /// Erase the HSM and set up its quorum.
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
    /// Lock the HSM and stop the coordinator. If an admin removed the HSM, its queued activations end too.
    Stop {
        removed_by: Option<Actor>,
        reply: oneshot::Sender<()>,
    },
}

impl Command {
    /// Answers a command that starts something new with an error; returns any other command.
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
