//! The approvals that an HSM counts at the moment. They exist in memory only, as the HSM's own count does, so that no change to
//! the database can replace one of them.

use countersign_protocol::{
    cvc::{Fingerprint, PublicKey},
    dsse::Envelope,
    id::MemberId,
};

/// An approval that was verified with the custodian's attested key, and whose response the HSM has accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CountedApproval {
    pub key: PublicKey,
    pub statement: Envelope,
}

impl CountedApproval {
    pub fn fingerprint(&self) -> Fingerprint {
        self.key.fingerprint()
    }
}

/// The counted approvals of the one activation that has the HSM.
#[derive(Default)]
pub(super) struct CountedApprovals(Option<(MemberId, Vec<CountedApproval>)>);

impl CountedApprovals {
    /// Adds an approval, and forgets those of any other activation.
    pub fn add(&mut self, id: &MemberId, approval: CountedApproval) {
        match &mut self.0 {
            Some((counted_for, approvals)) if counted_for == id => {
                approvals.retain(|before| before.fingerprint() != approval.fingerprint());
                approvals.push(approval);
            }
            other => *other = Some((id.clone(), vec![approval])),
        }
    }

    /// Forgets everything, because the HSM was logged out or counts from the start.
    pub fn forget(&mut self) {
        self.0 = None;
    }

    pub fn of(&self, id: &MemberId) -> &[CountedApproval] {
        match &self.0 {
            Some((counted_for, approvals)) if counted_for == id => approvals,
            _ => &[],
        }
    }
}
