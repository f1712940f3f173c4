//! What a desk can be asked.

use countersign_card::{PkaOptions, SoPin};
use countersign_protocol::{
    activation::{ActivationView, ApprovalEvidence, ApprovalOutcome, EndReason},
    audit::Actor,
    cvc::Fingerprint,
    dsse::Envelope,
    hsm::{HsmView, InitialiseHsm},
    id::ActivationId,
    operator::Person,
};
use tokio::sync::oneshot;

use super::{ActivationError, LockRequest};

/// Where an answer goes.
pub type Reply<T> = oneshot::Sender<Result<T, ActivationError>>;

/// A custodian who is logged in.
#[derive(Clone, Debug)]
pub struct Custodian {
    /// Who.
    pub person: Person,
    /// Their enrolled key.
    pub key: Fingerprint,
}

/// One thing to do.
pub enum Command {
    /// Look whether something can begin.
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
        reply: Reply<ApprovalOutcome>,
    },
    /// Record a refusal.
    Decline {
        activation: ActivationId,
        custodian: Custodian,
        reason: String,
        reply: Reply<ActivationView>,
    },
    /// End it.
    Lock {
        activation: ActivationId,
        request: LockRequest,
        reply: Reply<ActivationView>,
    },
    /// A signature was recorded.
    Signed { activation: ActivationId },
    /// It can go on no longer; if it has ended already, that is as well.
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
        reply: Reply<HsmView>,
    },
    /// Register a custodian's key.
    Register {
        actor: Actor,
        admin: Person,
        key: Fingerprint,
        reply: Reply<HsmView>,
    },
    /// Lock and end. What waits for an HSM that somebody withdrew ends, too.
    Stop {
        withdrawn_by: Option<Actor>,
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
            Self::Decline { reply, .. } => drop(reply.send(Err(why()))),
            Self::Initialise { reply, .. } | Self::Register { reply, .. } => {
                drop(reply.send(Err(why())));
            }
            other @ (Self::Lock { .. }
            | Self::Signed { .. }
            | Self::End { .. }
            | Self::Stop { .. }) => return Some(other),
        }
        None
    }
}
