//! Why a step of an activation was rejected.

use countersign_protocol::{
    activation::{ActivationState, EndReason},
    id::{ActivationId, HsmId},
};

use super::StateChange;
use crate::{hsm::HsmError, identity::IdentityError, random::RandomError, store::StoreError};

#[derive(Debug, thiserror::Error)]
pub enum ActivationError {
    /// What the request must say instead.
    #[error("{0}")]
    Invalid(String),
    #[error("an open scope needs limits: say for how long, and for how many signatures")]
    NeedsLimits,
    #[error("there is no activation {0}")]
    NotFound(ActivationId),

    // Who may do what.
    #[error("only people with the role requester can request signatures")]
    NotARequester,
    #[error("only admins can request new keys")]
    NotAnAdmin,
    #[error("this token cannot use the key `{0}`: create a token for that key")]
    NotForThisKey(String),
    #[error("only the requester of an activation can sign under it")]
    NotItsRequester,
    #[error("this activation generates a key, so nothing can be signed under it")]
    NotForSigning,
    #[error("only its requester, custodians of this HSM and admins can lock an activation")]
    CannotLock,
    #[error("your key is not registered on this HSM: an admin has to register it")]
    NotRegistered,
    #[error("you requested this, so other custodians have to decide")]
    OwnRequest,
    #[error("your key is not confirmed, or was revoked")]
    NotConfirmed,

    // What the HSM lacks.
    #[error("HSM {0} has no quorum yet: an admin has to initialise it")]
    HasNoQuorum(HsmId),
    #[error("HSM {0} still lacks custodians: an admin has to register them")]
    LacksCustodians(HsmId),
    #[error(
        "HSM {hsm} needs {required} approvals, but only {usable} of its {registered} registered custodians can approve this \
         request ({revoked} revoked; nobody can approve their own request): an admin has to register others"
    )]
    TooFewCustodians {
        hsm: HsmId,
        required: u8,
        /// Registered, not revoked, and not the requester.
        usable: usize,
        registered: usize,
        revoked: usize,
    },
    #[error("HSM {hsm} holds a key with the label `{label}` already: choose another label")]
    KeyLabelTaken { hsm: HsmId, label: String },

    // What the state of the activation or of the HSM does not allow.
    #[error("you have approved this already")]
    AlreadyApproved,
    #[error("you have approved this already: use Lock now to end it")]
    ApprovedBeforeDeclining,
    /// What it waits for.
    #[error("{0}")]
    StillQueued(String),
    #[error("the quorum is complete already")]
    AlreadyOpen,
    #[error("activations wait for this HSM or use it: lock or cancel them first")]
    HsmBusy,
    #[error("every custodian of this HSM is registered already")]
    AllRegistered,
    #[error("no operator has this key, or it is not confirmed yet")]
    UnknownKey,
    #[error("{0} does not have the role custodian")]
    NotACustodian(String),
    #[error("{0}'s key is registered on this HSM already")]
    RegisteredAlready(String),
    #[error("the activation has ended: {0}. Request a new one")]
    Ended(EndReason),
    #[error("{change:?} cannot follow {state:?}")]
    Impossible {
        state: Box<ActivationState>,
        change: Box<StateChange>,
    },

    #[error("the approval is not accepted: {0}")]
    Rejected(String),
    /// The HSM has done it, and the database cannot store it yet.
    #[error("{0}")]
    NotStored(String),
    #[error(transparent)]
    Hsm(#[from] HsmError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Identity(#[from] IdentityError),
    #[error(transparent)]
    Random(#[from] RandomError),
}
