//! Proposing acts.

use countersign_protocol::{
    Timestamp,
    act::{ActState, ActTerms, ActToSign, ActView, NewAct},
    audit::{Actor, AuditEvent},
    id::ActId,
    token::TokenCertificate,
};
use jiff::SignedDuration;

use super::{ActError, Acts, Signer, signers};
use crate::{
    events::Change,
    store::{self, acts::StoredAct},
};

/// How long an act awaits its signatures.
const LIFE: SignedDuration = SignedDuration::from_hours(24);
/// The largest number of acts of one person that await signatures.
const MOST_PENDING: usize = 100;

impl Acts {
    /// Proposes an act, and creates the task for the helper of the person who proposes it. `certificate` is the client certificate
    /// of a proposed token.
    ///
    /// # Errors
    /// The act is invalid, is not possible now, or the person cannot propose it.
    pub async fn propose(
        &self,
        signer: &Signer,
        proposal: NewAct,
        certificate: Option<TokenCertificate>,
    ) -> Result<ActToSign, ActError> {
        self.proposals
            .check(signer.person.id.clone())
            .map_err(ActError::TooOften)?;
        let mut tx = self.store.write().await?;
        self.end_expired(&mut tx).await?;
        store::acts::forget_old(tx.connection()).await?;
        let operator = signers::confirmed(tx.connection(), signer).await?;
        let proposer = operator.view.person.clone();
        let pending = store::acts::unended(tx.connection()).await?;
        let own = |act: &&StoredAct| act.terms().proposer.id == proposer.id;
        let pending = pending.iter().filter(own).count();
        if pending >= MOST_PENDING {
            return Err(ActError::TooManyPending(pending));
        }
        let facts = self.facts(tx.connection(), &proposer, &proposal, certificate.as_ref());
        let act = facts.await?;
        signers::may(&operator, act.signer_role())?;
        let now = Timestamp::now();
        let act = StoredAct {
            view: ActView {
                terms: ActTerms {
                    id: ActId::new(uuid::Uuid::now_v7().to_string()),
                    signatures: signers::needed(tx.connection(), &act).await?,
                    act,
                    proposer: proposer.clone(),
                    proposed_at: now,
                    expires_at: now + LIFE,
                },
                signed_by: Vec::new(),
                state: ActState::AwaitingSignatures,
                notice: None,
            },
            proposal,
            certificate,
        };
        store::acts::insert(tx.connection(), &act).await?;
        let terms = act.terms().clone();
        let actor = Actor::Operator { person: proposer };
        tx.audit(&actor, AuditEvent::ActProposed { terms }).await?;
        tx.changed(Change::Acts);
        tx.commit().await?;
        Ok(ActToSign {
            task: self.task_for(&act, signer)?,
            act: act.view,
        })
    }
}
