//! The reasons why a step of an activation is rejected.

use countersign_protocol::{
    activation::{ActivationState, EndReason},
    id::{ActivationId, HsmId},
};

use super::StateChange;
use crate::{hsm::HsmError, identity::IdentityError, random::RandomError, store::StoreError};

#[derive(Debug, thiserror::Error)]
pub enum ActivationError {
    /// The text says what is wrong and what is expected.
    #[error("{0}")]
    Invalid(String),
    #[error(
        "a request for any content needs limits: name the maximum time and the maximum number of signatures"
    )]
    NeedsLimits,
    #[error("activation {0} does not exist: `countersign activation list` lists the activations")]
    NotFound(ActivationId),

    // Missing permissions.
    #[error("requesting signatures requires the role requester: ask an admin for it")]
    NotARequester,
    #[error("requesting a new key requires the role admin: ask an admin to request it")]
    NotAnAdmin,
    #[error("this token is not valid for the key `{0}`: create a token for that key")]
    NotForThisKey(String),
    #[error("only the requester of an activation can sign under it: request your own")]
    NotItsRequester,
    #[error(
        "this activation generates a key and cannot be used to sign: request an activation for signing"
    )]
    NotForSigning,
    #[error(
        "only the requester, the custodians of the HSM and admins can cancel or lock an activation"
    )]
    CannotLock,
    #[error("your key is not registered on this HSM: ask an admin to register it")]
    NotRegistered,
    #[error("you requested this, so you cannot approve or decline it: other custodians decide")]
    OwnRequest,
    #[error(
        "your key is not confirmed, or was revoked: ask an admin to confirm it or to invite you again"
    )]
    NotConfirmed,

    // HSMs that are not set up, and label conflicts.
    #[error("HSM {0} has no quorum yet: ask an admin to initialise it")]
    HasNoQuorum(HsmId),
    #[error("not all custodians of HSM {0} are registered yet: ask an admin to register them")]
    LacksCustodians(HsmId),
    #[error(
        "HSM {hsm} needs {required} approvals, but only {usable} of its {registered} registered custodians can approve this \
         request ({revoked} revoked; requesters cannot approve their own requests): ask an admin to register others"
    )]
    TooFewCustodians {
        hsm: HsmId,
        required: u8,
        /// Number of registered custodians who are neither revoked nor the requester.
        usable: usize,
        registered: usize,
        revoked: usize,
    },
    /// The requester has too many requests waiting, or too long file lists. The text says what to do.
    #[error("{0}")]
    TooManyWaiting(String),
    #[error(
        "HSM {hsm} already holds a key with the label `{label}`, or with one that looks like it: choose another label"
    )]
    KeyLabelTaken { hsm: HsmId, label: String },

    // Conflicts with the state of the activation or the HSM.
    #[error("you already approved this request")]
    AlreadyApproved,
    #[error("you already approved this request: to end it, cancel or lock it")]
    ApprovedBeforeDeclining,
    /// The text says what the activation waits for.
    #[error("{0}")]
    ExpiredInQueue(String),
    #[error("the quorum is already complete, so no further approval is needed")]
    AlreadyOpen,
    #[error("this HSM has active activations: cancel or lock them first")]
    HsmBusy,
    #[error(
        "all custodians of this HSM are already registered: initialise it again to change them"
    )]
    AllRegistered,
    #[error("this key is not enrolled or not confirmed yet: confirm it first")]
    UnknownKey,
    #[error("{0} does not have the role custodian: assign the role first")]
    NotACustodian(String),
    #[error("{0}'s key is already registered on this HSM")]
    RegisteredAlready(String),
    #[error("the activation has already ended ({0}), and its HSM is locked")]
    Ended(EndReason),
    #[error(
        "the change {change:?} is not possible in the state {state:?}: report this to an admin"
    )]
    Impossible {
        state: Box<ActivationState>,
        change: Box<StateChange>,
    },

    #[error("the approval was rejected: {0}")]
    Rejected(String),
    /// The HSM has carried out the command, but the database cannot store the result yet.
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
