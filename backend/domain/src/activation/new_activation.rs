//! Finds the activation that a checked request joins, or builds and stores a new one.

use countersign_protocol::{
    Timestamp,
    activation::{ActivationState, ActivationTerms, HsmName, Join, Pool, Quorum},
    audit::AuditEvent,
    cvc::Fingerprint,
    digest::Sha256Digest,
    id::ActivationId,
    lease::LeaseLimits,
    purpose::Purpose,
    statement::ApprovedPurpose,
};
use jiff::SignedDuration;

use super::{ActivationError, Requester, quota};
use crate::{
    hsm::Hsm,
    store::{self, WriteTx, activations::Activation},
};

/// A request whose parts were checked.
pub(super) struct Request {
    pub purpose: Purpose,
    pub reason: String,
    /// Digest of purpose and reason.
    pub scope: Sha256Digest,
    pub lease: LeaseLimits,
    /// The keys with which raw RSA is allowed.
    pub raw_rsa: Vec<Fingerprint>,
    pub approval_time: SignedDuration,
    pub abandoned_after: Option<u32>,
    pub on_explicit_hsm: bool,
    pub join: Join,
}

impl Request {
    /// Finds the active activation that this request joins.
    pub async fn joinable(
        &self,
        tx: &mut WriteTx,
        requester: &Requester<'_>,
        hsms: &[Hsm],
    ) -> Result<Option<Activation>, ActivationError> {
        let mut active = Vec::new();
        for hsm in hsms {
            active.extend(store::activations::active_of(tx.connection(), hsm.id()).await?);
        }
        Ok(active
            .into_iter()
            .filter(|active| active.terms.requester.id == requester.person.id)
            .filter(|active| requester.may_use_all_of(&active.terms.purpose))
            // An explicit HSM restricts the match to single-HSM activations.
            .filter(|active| !self.on_explicit_hsm || active.terms.pool.is_none())
            .filter(|active| active.terms.raw_rsa == self.raw_rsa)
            .filter(|active| match self.join {
                Join::SamePurpose => active.scope == self.scope,
                Join::SameKeys => self.has_keys_of(&active.terms),
            })
            // Prefer an activation that is already open, because it needs no further approvals.
            .min_by_key(|active| !matches!(active.state, ActivationState::Open { .. })))
    }

    /// Whether an activation has the same reason and all requested keys, even if it covers other files.
    fn has_keys_of(&self, active: &ActivationTerms) -> bool {
        match (&active.purpose, &self.purpose) {
            (Purpose::Sign { keys, .. }, Purpose::Sign { keys: wanted, .. }) => {
                keys.covers(wanted) && active.reason == self.reason
            }
            _ => false,
        }
    }

    /// The new activation: one member for each HSM.
    pub fn into_activations(
        self,
        id: &ActivationId,
        requester: &Requester<'_>,
        members: Vec<(HsmName, Quorum)>,
        now: Timestamp,
    ) -> Vec<Activation> {
        let names = members.iter().map(|(name, _)| name.clone()).collect();
        // Fails for a single HSM, which is not a pool.
        let pool = Pool::new(names).ok();
        let token = quota::token(requester);
        let member = |(place, (hsm, quorum))| Activation {
            terms: ActivationTerms {
                id: id.member(place),
                hsm,
                pool: pool.clone(),
                purpose: self.purpose.clone(),
                requester: requester.person.clone(),
                reason: self.reason.clone(),
                lease: self.lease,
                raw_rsa: self.raw_rsa.clone(),
                quorum,
                requested_at: now,
                expires_at: now + self.approval_time,
            },
            scope: self.scope,
            state: ActivationState::Queued,
            was_open: false,
            authenticated: 0,
            notice: None,
            revision: 0,
            abandoned_after: self.abandoned_after,
            token: token.clone(),
        };
        members.into_iter().enumerate().map(member).collect()
    }
}

/// Stores a new activation with its audit entry.
pub(super) async fn insert(
    tx: &mut WriteTx,
    requester: &Requester<'_>,
    activation: &Activation,
) -> Result<(), ActivationError> {
    store::activations::insert(tx.connection(), activation).await?;
    let terms = &activation.terms;
    let event = AuditEvent::ActivationRequested {
        activation: terms.id.clone(),
        hsm: terms.hsm.id.clone(),
        purpose: ApprovedPurpose::of(&terms.purpose),
        reason: terms.reason.clone(),
        lease: terms.lease,
        terms: terms.digest(),
    };
    Ok(tx.audit(requester.actor, event).await?)
}
